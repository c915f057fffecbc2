"""How the programs of the learning side are started: by name, in processes of their own. The service imports none of them."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]


def missing_modules(*names: str) -> list[str]:
    """Those of the top-level modules that are not installed."""
    return [name for name in names if importlib.util.find_spec(name) is None]


def module_command(module: str, arguments: Sequence[str]) -> list[str]:
    """`python -m module arguments`, by this very Python.

    -P: a folder `models` where somebody works is not ours.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def module_environment() -> dict[str, str]:
    """This process's environment, in which our modules are found: a checkout that is not installed is found by its root."""
    is_checkout = (ROOT / "pyproject.toml").exists()
    paths = [str(ROOT)] * is_checkout + list(filter(None, [os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
