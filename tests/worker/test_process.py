"""One process of a worker: which graphics card it sees."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.settings import Settings
from tests.support.process import ROOT
from worker.process import Process


def make_process(device: str) -> Process:
    process = Process()
    process.configure(Settings(home=Path("unused"), device=device))
    return process


@pytest.mark.parametrize(
    ("visible", "place", "own"),
    [("", 0, "0"), ("", 1, "2"), ("", 2, "0"), ("4,5,6", 1, "6"), ("GPU-a,GPU-b,GPU-c", 0, "GPU-a")],
)
def test_each_process_sees_a_card_of_its_own(monkeypatch: pytest.MonkeyPatch, visible: str, place: int, own: str) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    process = make_process("cuda:0,cuda:2")
    process.use_gpu(place)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == own
    assert process.settings.device == "cuda:0"


@pytest.mark.parametrize("device", ["cpu", "auto", "cuda:1"])
def test_where_there_is_one_device_all_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    process = make_process(device)
    process.use_gpu(1)
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    assert process.settings.device == device


STUCK = """
import os, threading, time
from worker import process
process.STOP_SECONDS = process.PARENT_SECONDS = 0.1
threading.Thread(target=time.sleep, args=(60,)).start()
process._stop()
process._end_with_parent(os.getppid())
"""


def test_a_process_whose_task_does_not_stop_exits() -> None:
    done = subprocess.run([sys.executable, "-c", STUCK], cwd=ROOT, timeout=50, check=False)
    assert done.returncode == 1
