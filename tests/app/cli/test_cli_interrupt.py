"""Ctrl-C while indexing: what was indexed stays, and the same command goes on from there."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.command import TIMEOUT
from tests.support.pictures import striped
from tests.support.process import COMMAND, ROOT, environment

if TYPE_CHECKING:
    from tests.support.command import Dyad, Service

COUNT = 240
SLOW = ("--model", "lbp-rgb")
"""The default model would be done before anybody could interrupt it."""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of enough different pictures to be interrupted in the middle of."""
    folder = tmp_path_factory.mktemp("input") / "many"
    folder.mkdir()
    for seed in range(COUNT):
        (folder / f"{seed:04d}.png").write_bytes(striped(seed % 180, seed=seed, size=48))
    return folder


def _kept(err: str) -> int:
    found = re.search(r"stopped after (\d+) tiles, which are kept", err)
    assert found is not None, err
    return int(found[1])


def _goes_on(dyad: Dyad, many: Path, kept: int, *where: object) -> int:
    """Repeat the command; how many tiles it found unchanged."""
    again = dyad("index", "many", many, "--json", *where).json
    assert kept <= again["unchanged"] < COUNT
    assert again["unchanged"] + again["indexed"] == COUNT
    assert dyad("collections", "show", "many", "--json", *where).json["item_count"] == COUNT
    return int(again["unchanged"])


def test_ctrl_c_on_a_terminal(dyad: Dyad, many: Path, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    home = tmp_path / "home"
    with subprocess.Popen(
        [*COMMAND, "index", "many", str(many), *SLOW, "--home", str(home)],
        cwd=ROOT,
        env=environment(TERM="xterm", COLUMNS="200"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = ""
        interrupted = False
        while chunk := _read(ours):
            shown += chunk
            if not interrupted and re.search(r"[1-9]\d* tiles indexed", shown):
                process.send_signal(signal.SIGINT)
                interrupted = True
        os.close(ours)
        assert process.wait(TIMEOUT) == 130, shown
    kept = _kept(shown)
    assert kept > 0
    (job,) = dyad("jobs", "list", "--json", "--home", home).json["jobs"]
    assert job["status"] == "dismissed"
    assert _goes_on(dyad, many, kept, "--home", home) == kept


def _read(terminal: int) -> str:
    """What a terminal shows next; nothing once its other end is closed (which Linux reports as an error)."""
    try:
        return os.read(terminal, 65_536).decode(errors="replace")
    except OSError:
        return ""


def test_ctrl_c_over_http(dyad: Dyad, serve: Callable[..., Service], many: Path) -> None:
    service = serve()
    command = [*COMMAND, "index", "many", str(many), *SLOW, "--url", service.url]
    with subprocess.Popen(command, cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + TIMEOUT
        while not _indexed(service.url):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130, err
    kept = _kept(err)
    jobs = httpx.get(f"{service.url}/jobs").json()["jobs"]
    assert {job["status"] for job in jobs} <= {"dismissed", "successful"}
    _goes_on(dyad, many, kept, "--url", service.url)


def _indexed(url: str) -> int:
    return sum(job["counts"].get("indexed", 0) for job in httpx.get(f"{url}/jobs").json()["jobs"])
