from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from models.training.loop.checkpoints import latest_checkpoint, load_checkpoint

ROOT = Path(__file__).parents[4]
PROGRAM = Path(__file__).with_name("run_points.py")
EPOCHS = 4  # of 3 updates each


def run(folder: Path, *arguments: int, processes: int = 1, **environment: str) -> int:
    start = [sys.executable]
    if processes > 1:
        start += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [*start, str(PROGRAM), str(folder), *map(str, arguments)]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(command, env=variables, cwd=folder, check=False, timeout=300).returncode


def final(folder: Path) -> dict[str, Any]:
    return load_checkpoint(folder / "final.safetensors")


def assert_equal(one: Any, other: Any) -> None:
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key, value in one.items():
            assert_equal(value, other[key])
    elif isinstance(one, list):
        for left, right in zip(one, other, strict=True):
            assert_equal(left, right)
    else:
        assert one == other


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("straight")
    assert run(folder, EPOCHS) == 0
    return folder


@pytest.mark.parametrize("kill_at", [5, 9])  # one update behind a checkpoint; at the end of an epoch, before its checkpoint
def test_a_killed_run_goes_on_to_the_same_bits(straight: Path, tmp_path: Path, kill_at: int) -> None:
    assert run(tmp_path, EPOCHS, kill_at) == -signal.SIGKILL
    newest = latest_checkpoint(tmp_path / "checkpoints")
    assert newest is not None
    assert load_checkpoint(newest)["step"] < kill_at
    assert run(tmp_path, EPOCHS) == 0
    assert_equal(final(tmp_path), final(straight))


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    """Without batch norm, dropout and augmentation, whose draws differ between processes, the sums are the same."""
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder, processes in zip(folders, (1, 2), strict=True):
        folder.mkdir()
        assert run(folder, EPOCHS, processes=processes, PLAIN="1") == 0
    one, two = map(final, folders)
    for name, weight in one["task"].items():
        torch.testing.assert_close(two["task"][name], weight, rtol=1e-4, atol=1e-6)
    assert two["best"] == pytest.approx(one["best"], rel=1e-4)
