"""The version of the code that writes a bundle."""

from __future__ import annotations

import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGE = "dyad"
_ROOT = Path(__file__).parents[2]


def code_version() -> str:
    """`git describe` of the checkout that contains this file ("-dirty" after local changes), else the package's version.

    "unknown" without either.
    """
    return _described() or _installed() or "unknown"


def _described() -> str | None:
    git = shutil.which("git")
    if git is None or not (_ROOT / ".git").exists():
        return None
    command = [git, "-C", str(_ROOT), "describe", "--tags", "--always", "--dirty"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no part is from outside
    return answer.stdout.strip() if answer.returncode == 0 else None


def _installed() -> str | None:
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return None
