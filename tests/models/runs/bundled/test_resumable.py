"""Programs that resume: their threads, and Ctrl-C."""

from __future__ import annotations

import pytest
import torch
from rich.console import Console

from models.runs.bundled.resumable import run_resumable


def test_the_work_has_the_threads_that_are_asked_for() -> None:
    before = torch.get_num_threads()
    found: list[int] = []
    try:
        assert run_resumable(lambda _: found.append(torch.get_num_threads()), before + 1) == 0
    finally:
        torch.set_num_threads(before)
    assert found == [before + 1]


def test_ctrl_c_ends_with_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_: Console) -> None:
        raise KeyboardInterrupt

    assert run_resumable(interrupted, 0) == 130
    assert "run the same command to resume" in capsys.readouterr().err
