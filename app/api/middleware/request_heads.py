"""Limits for the head of a request (request line and headers): its size, and the time it takes to arrive.

Uvicorn has no such limits with httptools: its parser collects a head of any length in memory, in quadratic time.
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

MAX_HEAD = 64 << 10
HEAD_SECONDS = 30.0
KEEP_ALIVE_SECONDS = 75
"""An idle connection stays open for longer than clients and proxies keep theirs (5 to 60 s), so that the client closes it. If
the server closed it, a request that is on its way would be lost."""


class PatientProtocol(HttpToolsProtocol):
    """Uvicorn's protocol, which also answers 431 to a head of more than `MAX_HEAD` bytes and closes slow connections."""

    _received = 0
    _is_in_head = True
    _timer: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.timeout_keep_alive = KEEP_ALIVE_SECONDS
        self._begin_timer()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        """Parse data; a head in pieces, to stop when it is too large."""
        while data and not self.transport.is_closing():
            if self._is_in_head and self._timer is None:
                self._begin_timer()
            is_of_head = self._is_in_head
            size = MAX_HEAD if is_of_head else len(data)
            super().data_received(data[:size])
            if is_of_head:  # bytes of a body do not count
                self._received += min(size, len(data))
            data = data[size:]
            if self._is_in_head and self._received > 2 * MAX_HEAD:  # one piece may belong to the previous request
                self._refuse()

    @override
    def on_message_begin(self) -> None:
        self._received = 0
        super().on_message_begin()

    @override
    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._stop_timer()
        super().on_headers_complete()

    @override
    def on_message_complete(self) -> None:
        self._is_in_head = True
        super().on_message_complete()

    def _begin_timer(self) -> None:
        self._timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self) -> None:
        status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        detail = f"the request line and headers are too large; the limit is {MAX_HEAD >> 10} KB"
        body = json.dumps({"type": "about:blank", "title": status.phrase, "status": status, "detail": detail}).encode()
        headers = f"content-type: application/problem+json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.transport.write(STATUS_LINE[status] + headers.encode() + body)
        self.transport.close()
