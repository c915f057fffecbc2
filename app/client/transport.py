"""What both clients share: settings of the connection, retries, bodies of requests, files, and the reading of answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import httpx

from app.atomic_files import complete_file
from app.client.core import FIRST_PAUSE, LONGEST_PAUSE, Answer, Call, Download

SECONDS, CONNECT_SECONDS = 300.0, 10.0
REFUSED = (429, 503)
"""Statuses of requests that were not carried out: any request may be repeated."""
UNKNOWN = (502, 504)
"""Statuses of proxies whose service may have carried out the request."""
LONGEST_BUSY = 60.0
"""A service that is busy for longer, by its `Retry-After`, is not waited for. Seconds."""
QUICK = 1.0
"""A connection that fails later than this is not tried again: the user waited already. Seconds."""
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a request is repeated, and how long to wait before."""

    most: int

    def pause(self, number: int, is_safe: bool, outcome: httpx.Response | httpx.TransportError, seconds: float) -> float | None:
        """Seconds to wait before the attempt after `number`, which took `seconds`; None to give up.

        is_safe: the request may be repeated if it is unknown whether the service received it.
        """
        if number >= self.most or not _may_repeat(is_safe, outcome, seconds):
            return None
        wanted = str(outcome.headers.get("retry-after", "")) if isinstance(outcome, httpx.Response) else ""
        if not wanted.isdecimal():
            return min(FIRST_PAUSE * 2.0**number, LONGEST_PAUSE)
        return float(wanted) if float(wanted) <= LONGEST_BUSY else None


def _may_repeat(is_safe: bool, outcome: httpx.Response | httpx.TransportError, seconds: float) -> bool:
    if isinstance(outcome, httpx.Response):
        return outcome.status_code in REFUSED or (is_safe and outcome.status_code in UNKNOWN)
    if isinstance(outcome, httpx.ConnectError):
        return seconds < QUICK
    return is_safe and not isinstance(outcome, httpx.TimeoutException)


def options(url: str, key: str | None, seconds: float) -> dict[str, Any]:
    """Arguments of an httpx client."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    timeout = httpx.Timeout(seconds, connect=CONNECT_SECONDS)
    return {"base_url": url.rstrip("/"), "headers": headers, "timeout": timeout}


def headers_of(call: Call) -> dict[str, str]:
    """Headers of a request. A body from a file has a length, although it is sent in pieces."""
    given = dict(call.options.get("headers") or {})
    return given if call.file is None else {**given, "Content-Length": str(call.file.stat().st_size)}


def read_pieces(file: Path) -> Iterator[bytes]:
    """The content of a file in pieces."""
    with file.open("rb") as content:
        while piece := content.read(CHUNK):
            yield piece


def read(answer: httpx.Response) -> Answer:
    """The JSON of an answer."""
    try:
        return Answer(answer.status_code, answer.json() if answer.content else {})
    except ValueError:
        return Answer(answer.status_code, None)


@contextmanager
def opened_target(step: Download) -> Iterator[BinaryIO]:
    """The file of a download, open for writing. A device or pipe is written directly.

    Raises:
        OSError: it exists and may not be replaced, or cannot be created.
    """
    if step.is_overwriting and step.target.exists() and not step.target.is_file():
        with step.target.open("wb") as file:
            yield file
        return
    with complete_file(step.target, is_overwriting=step.is_overwriting) as file:
        yield file


class Converter:
    """Converts the pieces of a download: a GeoJSON feature per line becomes one collection, other content is unchanged."""

    def __init__(self, step: Download) -> None:
        self._is_collected = step.is_collected
        self._rest = b""
        self._separator = b'{"type": "FeatureCollection", "features": [\n'

    def convert(self, piece: bytes) -> bytes:
        """What the file gets for a piece."""
        if not self._is_collected:
            return piece
        *lines, self._rest = (self._rest + piece).split(b"\n")
        return b"".join(map(self._separated, lines))

    def end(self) -> bytes:
        """What the file gets after the last piece."""
        if not self._is_collected:
            return b""
        rest = self._separated(self._rest) if self._rest else b""
        start = self._separated(b"") if self._separator != b",\n" else b""
        return rest + start + b"\n]}\n"

    def _separated(self, line: bytes) -> bytes:
        separator, self._separator = self._separator, b",\n"
        return separator + line
