"""What every test may use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real test data: `DYAD_DATA`, else `../shared/data` beside the repository; skips where there is none."""
    folder = Path(os.environ.get("DYAD_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"needs the test data in {folder} (DYAD_DATA names another folder)")
    return folder


@pytest.fixture(scope="session")
def require_program() -> Callable[[str], Path]:
    """A function that finds a program a test drives, or skips by name; with CI=true a missing one is a failure."""

    def find(name: str) -> Path:
        found = shutil.which(name)
        if found is None and os.environ.get("CI") == "true":
            pytest.fail(f"{name} is not installed, and with CI=true its tests must run (`make test` installs it as root)")
        if found is None:
            pytest.skip(f"needs the program {name} (`make test` installs it as root)")
        return Path(found)

    return find
