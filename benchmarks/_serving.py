"""`dyad serve` in a process of its own, with its log in a file and a limit for the start; for benchmarks that break it."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path
from typing import Self

import httpx

from tests.support.process import COMMAND, ROOT, environment

START_SECONDS = 90.0
STOP_SECONDS = 30.0
_ADDRESS = re.compile(r"Dyad is at (\S+)")


class NotStarted(Exception):
    """The service ended, or was not ready within `START_SECONDS`; the text is what it wrote to stderr."""


def launch(home: Path, log: Path, *command: str, **env: str) -> subprocess.Popen[bytes]:
    """Start a `dyad` command on a state folder; its output goes to the end of `log`."""
    with log.open("ab") as target:
        return subprocess.Popen(
            [*COMMAND, *command, "--home", str(home)],
            cwd=ROOT,
            env=environment(**env),
            stdin=subprocess.DEVNULL,
            stdout=target,
            stderr=target,
        )


class Served:
    """A running service that answers requests.

    Raises:
        NotStarted: it refused to start, or was not ready in time.
    """

    def __init__(self, home: Path, log: Path, **env: str) -> None:
        self.log = log
        self._log_start = log.stat().st_size if log.exists() else 0
        started = time.perf_counter()
        self.process = launch(home, log, "serve", "--port", "0", **env)
        self.url = self._wait_for_address(started + START_SECONDS)
        self.ready_seconds = time.perf_counter() - started
        unshared = httpx.Limits(max_keepalive_connections=0)  # after an answer of 500 the service closes the connection
        self.client = httpx.Client(base_url=self.url, timeout=60, limits=unshared)

    @property
    def output(self) -> str:
        """What this process has written so far."""
        return self.log.read_bytes()[self._log_start :].decode(errors="replace")

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self._reap()

    def stop(self) -> bool:
        """SIGTERM, and kill -9 after `STOP_SECONDS`. Returns whether SIGTERM was enough."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        self._reap()
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop()
        self.client.close()

    def _reap(self) -> None:
        self.process.wait(STOP_SECONDS)
        self.client.close()

    def _wait_for_address(self, deadline: float) -> str:
        while True:
            has_ended = self.process.poll() is not None
            if found := _ADDRESS.search(self.output):
                return found[1]
            if has_ended or time.perf_counter() > deadline:
                self.process.kill()
                code = self.process.wait()
                raise NotStarted(self.output.strip() or f"no message, exit code {code}")
            time.sleep(0.02)
