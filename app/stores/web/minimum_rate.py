"""Limits of a download: a minimum transfer rate, and a time and size limit for everything before the body of the answer.

A server cannot keep a connection open by sending a byte now and then, or `100 Continue` without end. Own code, because the
timeouts of HTTP clients limit single reads only.
"""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import Callable
from typing import Any

import httpcore
from typing_extensions import override

from app.ports import go_on

SLOW_SECONDS = 60.0
SLOW_BYTES = 60_000
"""The minimum in `SLOW_SECONDS`: 1 kB/s."""


HEAD_SECONDS = 30.0
HEAD_BYTES = 1 << 20
"""Limits of the head of an answer, with all interim answers (1xx) before it."""
SLICE_SECONDS = 1.0
"""Longest wait between two calls of `check`."""


class Download:
    """One request and its answer. check: raises if the job has to stop. clock: returns seconds."""

    def __init__(self, check: Callable[[], None] = go_on, clock: Callable[[], float] = time.monotonic) -> None:
        self.check = check
        self.clock = clock
        self.begin()

    def begin(self) -> None:
        """Start the limits of the head again, for another request."""
        self._head_ends = self.clock() + HEAD_SECONDS
        self._head_bytes = HEAD_BYTES
        self._is_head = True

    def end_head(self) -> None:
        """The head has been read: from now on only the minimum rate applies."""
        self._is_head = False

    def count(self, received: int) -> None:
        """Check the limits of the head after a read.

        Raises:
            httpcore.ReadTimeout: it took too long. httpcore.RemoteProtocolError: it is too large.
        """
        if not self._is_head:
            return
        self._head_bytes -= received
        if self._head_bytes < 0:
            raise httpcore.RemoteProtocolError(f"the head of the answer has more than {HEAD_BYTES >> 10} KB")
        if self.clock() > self._head_ends:
            raise httpcore.ReadTimeout(f"the head of the answer was not complete after {HEAD_SECONDS:g} s")


class SteadyStream(httpcore.NetworkStream):
    """Raises `httpcore.ReadTimeout` if less than the minimum arrives, even if each single read is in time, and applies the
    limits of the download.
    """

    def __init__(self, inner: httpcore.NetworkStream, download: Download | None = None) -> None:
        self._inner = inner
        self._download = download or Download()
        self._clock = self._download.clock
        self._since = self._clock()
        self._received = 0

    @override
    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._read_in_slices(max_bytes, timeout)
        self._received += len(data)
        self._download.count(len(data))
        now = self._clock()
        if now - self._since > SLOW_SECONDS:
            if data and self._received < SLOW_BYTES:
                raise httpcore.ReadTimeout(f"only {self._received} bytes arrived in {now - self._since:.0f} s")
            self._since, self._received = now, 0
        return data

    def _read_in_slices(self, max_bytes: int, timeout: float | None) -> bytes:
        """Read with the timeout, but check each `SLICE_SECONDS` whether the job has to stop."""
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while True:
            self._download.check()
            left = deadline - time.monotonic()
            try:
                return self._inner.read(max_bytes, max(0.001, min(SLICE_SECONDS, left)))
            except httpcore.ReadTimeout:
                if left <= SLICE_SECONDS:
                    raise
                self._download.count(0)

    @override
    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout)

    @override
    def close(self) -> None:
        self._inner.close()

    @override
    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return SteadyStream(self._inner.start_tls(ssl_context, server_hostname, timeout), self._download)

    @override
    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
