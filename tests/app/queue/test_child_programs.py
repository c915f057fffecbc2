from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.errors import DyadError, InvalidInput, Unavailable
from app.ports import Cancelled, Interrupted
from app.python_modules import module_environment
from app.queue.child_programs import ask_child, run_child
from tests.support.context import Context
from tests.support.process import ROOT
from tests.support.small_disk import run_on_small_disk

NOISY = "tests.support.noisy"
SECONDS = 300


def run(folder: Path, *arguments: str, context: Context | None = None) -> dict[str, Any]:
    return run_child(context or Context(), NOISY, arguments, folder=folder)


def stop_when_it_runs(context: Context, error: Exception) -> Callable[[], None]:
    def check() -> None:
        if context.published:
            raise error

    return check


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_progress_and_the_result_come_back(tmp_path: Path) -> None:
    context = Context()
    result = run(tmp_path, "work", "--size", "3", context=context)
    assert result == {"arguments": ["--size", "3"], "niceness": os.nice(0) + 10, "folder": str(tmp_path)}
    assert context.published == [(50, "half", {"epochs": 3})]


def test_lines_of_another_form_are_translated(tmp_path: Path) -> None:
    context = Context()

    def translate(line: dict[str, Any]) -> dict[str, Any] | None:
        return {"progress": 7.0} if "progress" in line else {"result": {"done": True}}

    assert run_child(context, NOISY, ["work"], folder=tmp_path, translate=translate) == {"done": True}
    assert context.published == [(7, "", None)]


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("refuse", r"^too few labels$"),
        ("own-words", r"^no such folder$"),
        ("kill", "was killed"),
        ("silent", r"status 0\); see the log"),
        ("die", r"status 1\); see the log"),
    ],
)
def test_why_a_program_failed_is_one_line(tmp_path: Path, what: str, reason: str) -> None:
    with pytest.raises(DyadError, match=reason) as caught:
        run(tmp_path, what)
    assert "secret" not in str(caught.value)


def test_the_last_lines_of_a_program_that_died_are_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(DyadError):
        run(tmp_path, "die")
    assert "warming up" in caplog.text
    assert "ZeroDivisionError: secret details" in caplog.text


@pytest.mark.parametrize("what", ["wait", "stubborn"])
def test_cancelling_ends_the_program(tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.queue.child_programs.CANCEL_SECONDS", 0.2)
    context = Context()
    context.check = stop_when_it_runs(context, Cancelled("dismissed"))
    with pytest.raises(Cancelled):
        run(tmp_path, what, context=context)
    assert not is_alive(int((tmp_path / "pid").read_text()))


def test_an_interrupted_program_may_save_what_it_has(tmp_path: Path) -> None:
    context = Context()
    context.check = stop_when_it_runs(context, Interrupted())
    with pytest.raises(Interrupted):
        run(tmp_path, "save", context=context)
    assert (tmp_path / "saved").exists()


def test_what_a_program_leaves_behind_keeps_nobody_waiting(tmp_path: Path) -> None:
    assert run(tmp_path, "leave-behind") == {}


def test_a_program_dies_with_its_parent(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.app.queue.test_child_programs import run; "
        "run(Path(sys.argv[1]), 'stubborn')"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, env=module_environment()) as parent:
        pid_file = tmp_path / "pid"
        deadline = time.monotonic() + SECONDS
        while not (pid_file.exists() and pid_file.read_text()) and time.monotonic() < deadline:
            time.sleep(0.01)
        pid = int(pid_file.read_text())
        assert is_alive(pid)
        parent.kill()
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_alive(pid)


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    code = (
        "from app.errors import OutOfSpace\n"
        "from tests.app.queue.test_child_programs import run\n"
        "(disk / 'big').write_bytes(bytes(1 << 18))\n"
        "try:\n    run(disk, 'die')\n"
        "except OutOfSpace as error:\n    print(error)"
    )
    assert "the disk is full" in run_on_small_disk(tmp_path, "300k", code)


def test_a_question_is_answered_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert ask_child(NOISY, ["leave-behind"]) == {}
    with pytest.raises(InvalidInput, match="too few"):
        ask_child(NOISY, ["refuse"])
    with pytest.raises(Unavailable, match="does not answer"):
        ask_child(NOISY, ["silent"])
