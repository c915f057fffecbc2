"""A folder of tiny images, and one bundle trained on it by the real program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.image_folders import write_class_folders

ROOT = Path(__file__).parents[3]
FAST = ("--set=width=8", "--set=batch_size=8", "--size=32", "--threads=1")
RECIPE = ("nsl", "--set=epochs=2", "--set=lr=0.05", *FAST)


@dataclass(frozen=True)
class Workshop:
    """data: a folder `shapes` of three classes. cache: of its pixels. models: a folder for bundles."""

    data: Path
    cache: Path
    models: Path

    def arguments(self, out: str, *more: str) -> list[str]:
        return [*more, f"--data={self.data}", f"--out={self.models / out}", f"--cache={self.cache}"]

    def card(self, name: str) -> Any:
        return json.loads((self.models / name / "card.json").read_text(encoding="utf-8"))


def command(module: str, arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def finish(program: Sequence[str], timeout: float = 300) -> str:
    """Run a program to its end, which must be a good one; returns what it printed."""
    done = subprocess.run(program, env=environment(), capture_output=True, text=True, check=False, timeout=timeout)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    root = tmp_path_factory.mktemp("workshop")
    data = write_class_folders(root / "shapes", {"coarse": 16, "fine": 4, "medium": 8}, count=12)
    return Workshop(data, root / "cache", root / "models")


@pytest.fixture(scope="session")
def trained(workshop: Workshop) -> Workshop:
    """The workshop with the bundle `straight`, written by a run that nobody disturbed."""
    finish(command("models.runs.train", workshop.arguments("straight", *RECIPE, "--terms=free for all")))
    return workshop


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], int], Sequence[str]], int]:
    """Calls a program's `main` in this process: importing torch once is enough."""

    def call(main: Callable[[], int], arguments: Sequence[str]) -> int:
        monkeypatch.setattr(sys, "argv", ["program", *arguments])
        return main()

    return call
