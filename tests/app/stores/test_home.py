from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.errors import HomeInUse, HomeTooNew, StartupError
from app.stores.home import FORMAT, Home
from tests.support.small_disk import ROOT

HOLD = """
import sys
from pathlib import Path
from app.stores.home import Home
home = Home(Path(sys.argv[1]), sys.argv[2] or None)
print("open", flush=True)
sys.stdin.read()
"""


def hold(path: Path, url: str = "") -> subprocess.Popen[str]:
    """Another process that has the folder open."""
    command = [sys.executable, "-c", HOLD, str(path), url]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_the_folder_and_its_rooms_are_made(tmp_path: Path) -> None:
    home = Home(tmp_path / "a" / "home")
    assert {path.name for path in home.path.iterdir()} == {"lock", "version", "vectors", "blobs", "models", "staging"}
    assert (home.path / "version").read_text() == f"{FORMAT}\n"
    assert home.jobs == home.path / "jobs.sqlite"
    home.close()
    home.close()
    Home(tmp_path / "a" / "home").close()


def test_a_second_process_is_told_who_has_it(tmp_path: Path) -> None:
    process = hold(tmp_path)
    try:
        with pytest.raises(HomeInUse, match=f"process {process.pid}") as caught:
            Home(tmp_path)
        assert caught.value.url is None
    finally:
        end(process)
    Home(tmp_path).close()


def test_a_running_service_is_told_by_its_address(tmp_path: Path) -> None:
    process = hold(tmp_path, "http://127.0.0.1:8000")
    try:
        with pytest.raises(HomeInUse, match=r"--url http://127\.0\.0\.1:8000") as caught:
            Home(tmp_path)
        assert caught.value.url == "http://127.0.0.1:8000"
        assert "\n" not in str(caught.value)
    finally:
        end(process)


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    process = hold(tmp_path)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    Home(tmp_path).close()


def test_a_holder_that_has_not_signed_yet(tmp_path: Path) -> None:
    process = hold(tmp_path)
    try:
        (tmp_path / "lock").write_text("")
        with pytest.raises(HomeInUse, match="another process"):
            Home(tmp_path)
    finally:
        end(process)


def test_a_newer_format_is_refused_and_the_lock_let_go(tmp_path: Path) -> None:
    (tmp_path / "version").write_text("7\n")
    for _ in range(2):
        with pytest.raises(HomeTooNew, match=r"newer version of Dyad.*format 7"):
            Home(tmp_path)
    assert (tmp_path / "version").read_text() == "7\n"


def test_a_version_that_is_no_number(tmp_path: Path) -> None:
    (tmp_path / "version").write_text("<html>")
    with pytest.raises(StartupError, match="instead of a number"):
        Home(tmp_path)


def test_a_file_is_no_home(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "home"):
        with pytest.raises(StartupError, match=r"cannot use .* as DYAD_HOME") as caught:
            Home(path)
        assert "\n" not in str(caught.value)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="cannot use /proc/dyad"):
        Home(Path("/proc/dyad"))
