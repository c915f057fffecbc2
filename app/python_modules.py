"""Starts programs of `models` by module name in child processes; the service does not import them."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]


def missing_modules(*names: str) -> list[str]:
    """The given top-level modules that are not installed."""
    return [name for name in names if importlib.util.find_spec(name) is None]


def module_command(module: str, arguments: Sequence[str]) -> list[str]:
    """The command `python -m module arguments` with the current interpreter.

    -P: a folder `models` in the working directory must not be imported instead.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def module_environment() -> dict[str, str]:
    """This process's environment, with the root of the checkout on PYTHONPATH if Dyad is not installed as a package."""
    is_checkout = (ROOT / "pyproject.toml").exists()
    paths = [str(ROOT)] * is_checkout + list(filter(None, [os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
