"""A real Redis server of a test's own, on a free port."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from redis import Redis
from redis.exceptions import RedisError

SECONDS = 180.0


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class RedisServer:
    """`redis-server` with its files in `folder`.

    append_only: it knows after a kill what it knew before. env: of the process, in place of this one's.
    """

    def __init__(self, folder: Path, *, append_only: bool = False, env: Mapping[str, str] | None = None) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._append_only = append_only
        self._env = None if env is None else dict(env)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = {"--port": str(self.port), "--bind": "127.0.0.1", "--dir": str(self._folder), "--save": ""}
        options["--appendonly"] = "yes" if self._append_only else "no"
        command = ["redis-server", *(part for pair in options.items() for part in pair)]
        self._process = subprocess.Popen(command, env=self._env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + SECONDS
        with Redis.from_url(self.url) as client:
            while True:
                try:
                    client.ping()
                except RedisError:
                    if time.monotonic() > deadline or self._process.poll() is not None:
                        raise
                    time.sleep(0.02)
                else:
                    return

    def forget(self) -> None:
        """Delete all keys."""
        with Redis.from_url(self.url) as client:
            client.flushall()

    def freeze(self) -> None:
        """Let it hang: connections are taken, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on; what was sent to it meanwhile is done now."""
        self._signal(signal.SIGCONT)

    def leap(self, seconds: float) -> None:
        """Do to what expires what a clock does that is put forward, or back if negative."""
        with Redis.from_url(self.url) as client:
            for key in client.scan_iter():
                if (lasts := client.pttl(key)) > 0:
                    client.pexpire(key, round(lasts - 1000 * seconds))

    def stop(self) -> None:
        """SIGTERM: an orderly end."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(SECONDS)
            self._process = None

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
