"""The real `dyad` command in processes of its own, for tests and benchmarks that kill or outlive it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import httpx

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "app.cli")


def environment(**more: str) -> dict[str, str]:
    """The environment without any setting of Dyad's but `more`."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith("DYAD_")}, **more}


class ServeProcess:
    """A running `dyad serve` on a free port, ready to answer. Its log goes to `log` if that is given."""

    def __init__(self, home: Path, log: Path | None = None, **env: str) -> None:
        self.started = time.perf_counter()
        self._log = None if log is None else log.open("a", encoding="utf-8")
        self.process = subprocess.Popen(
            [*COMMAND, "serve", "--port", "0", "--home", str(home)],
            cwd=ROOT,
            env=environment(**env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.url = self._wait_for_address()
        self.ready_seconds = time.perf_counter() - self.started
        self.client = httpx.Client(base_url=self.url, timeout=120)

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self._reap()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        return self._reap()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop()

    def _wait_for_address(self) -> str:
        assert self.process.stderr is not None
        lines = []
        for line in self.process.stderr:
            lines.append(line)
            if found := re.search(r"Dyad is at (\S+)", line):
                return found[1]
        self.process.wait()
        raise RuntimeError("dyad serve ended: " + "".join(lines))

    def _reap(self) -> int:
        code = self.process.wait(60)
        if self.process.stderr is not None:
            rest = self.process.stderr.read()
            if self._log is not None:
                self._log.write(rest)
            self.process.stderr.close()
        if self._log is not None:
            self._log.close()
        self.client.close()
        return code
