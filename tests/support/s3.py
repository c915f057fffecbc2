"""A real S3 server in a process of its own (moto), for tests of the object store over HTTP."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import httpx

ALLOW_ALL = "inf"
REFUSE = "0"
START_SECONDS = 60
SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/s3/aws4_request"}


class S3Server:
    """The server on a free port, ready to answer; a bucket a test. log: where its output goes."""

    def __init__(self, log: Path) -> None:
        with log.open("w", encoding="utf-8") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-u", "-m", "moto.server", "-p", "0"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.url = self._wait(log)
        self._numbers = itertools.count(1)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to use it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
        }

    def bucket(self) -> str:
        """The name of a new bucket."""
        name = f"dyad-{next(self._numbers)}"
        httpx.put(f"{self.url}/{name}").raise_for_status()
        return name

    def drop(self, bucket: str) -> None:
        """Delete a bucket with all that is in it."""
        for key in httpx.get(f"{self.url}/{bucket}?list-type=2").text.split("<Key>")[1:]:
            httpx.delete(f"{self.url}/{bucket}/{key.partition('<')[0]}", headers=SIGNED).raise_for_status()
        httpx.delete(f"{self.url}/{bucket}", headers=SIGNED).raise_for_status()

    def authorize(self, count: str) -> None:
        """Refuse every key after so many requests: `REFUSE` from now on, `ALLOW_ALL` never."""
        httpx.post(f"{self.url}/moto-api/reset-auth", content=count).raise_for_status()

    def hold(self) -> None:
        """Let it accept connections, and answer nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """After `hold`."""
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Stop it."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wait(self, log: Path) -> str:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            _, found, rest = log.read_text(encoding="utf-8").partition("Running on ")
            if found and "\n" in rest:
                return rest.split()[0]
            time.sleep(0.05)
        self.close()
        raise RuntimeError("moto's server did not start: " + log.read_text(encoding="utf-8"))
