"""A minimum transfer rate: a server cannot keep a connection open by sending a byte now and then.

Own code, because the timeouts of HTTP clients limit single reads only.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from typing import Any

import httpcore
from typing_extensions import override

SLOW_SECONDS = 60.0
SLOW_BYTES = 60_000
"""The minimum in `SLOW_SECONDS`: 1 kB/s."""


class SteadyStream(httpcore.NetworkStream):
    """Raises `httpcore.ReadTimeout` if less than the minimum arrives, even if each single read is in time.

    clock: returns seconds.
    """

    def __init__(self, inner: httpcore.NetworkStream, clock: Callable[[], float] = time.monotonic) -> None:
        self._inner = inner
        self._clock = clock
        self._since = clock()
        self._received = 0

    @override
    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._inner.read(max_bytes, timeout)
        self._received += len(data)
        now = self._clock()
        if now - self._since > SLOW_SECONDS:
            if data and self._received < SLOW_BYTES:
                raise httpcore.ReadTimeout(f"only {self._received} bytes arrived in {now - self._since:.0f} s")
            self._since, self._received = now, 0
        return data

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
        return SteadyStream(self._inner.start_tls(ssl_context, server_hostname, timeout), self._clock)

    @override
    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
