"""The vector server that tests use: the test-only one in a process of its own, which they may kill and start again."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest

from tests.support.process import ROOT, environment

SERVER = (sys.executable, "-m", "tests.support.qdrant_server")

_MEMORY = Path("/dev/shm")


@contextmanager
def memory_folder(factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in memory where there is one, because the engine waits for the disk at every step."""
    if not _MEMORY.is_dir() or shutil.disk_usage(_MEMORY).free < 1 << 30:
        yield factory.mktemp("qdrant")
        return
    with tempfile.TemporaryDirectory(prefix="dyad-qdrant-", dir=_MEMORY) as folder:
        yield Path(folder)


class QdrantProcess:
    """A running `tests.support.qdrant_server` over `folder`. Every start after the first is at the same address."""

    def __init__(self, folder: Path, *, api_key: str = "") -> None:
        self._folder = folder
        self._api_key = api_key
        self._port = "0"
        self.url = ""
        self.start()

    def start(self) -> None:
        """Start it; what was acknowledged before is there."""
        self.process = subprocess.Popen(
            [*SERVER, str(self._folder), "--port", self._port, "--api-key", self._api_key, "--leash"],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()  # it listens from here on, and answers when it has loaded
        if not self.url:
            raise RuntimeError(f"the vector server ended with {self.process.wait()}")
        self._port = self.url.rsplit(":", maxsplit=1)[1]

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self._reap()

    def stop(self) -> None:
        """SIGTERM."""
        self.process.terminate()
        self._reap()

    def freeze(self) -> None:
        """Let it hang: connections are taken, nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()

    def _reap(self) -> None:
        self.process.wait(30)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
