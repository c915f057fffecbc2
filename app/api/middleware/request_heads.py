"""Limits for connections: their number, and the size and time of the head of a request (request line and headers).

Uvicorn has no such limits with httptools: its parser collects a head of any length in memory, in quadratic time.
"""

from __future__ import annotations

import asyncio
import json
import resource
from functools import cache
from http import HTTPStatus

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from app.api.middleware.hosts import is_own

MAX_HEAD = 64 << 10
HEAD_SECONDS = 30.0
KEEP_ALIVE_SECONDS = 75
"""An idle connection stays open for longer than clients and proxies keep theirs (5 to 60 s), so that the client closes it. If
the server closed it, a request that is on its way would be lost."""


MAX_CONNECTIONS = 20_000
LINGER_SECONDS = 2.0
"""Time for which the rest of a refused body is discarded after the answer. If the connection were closed at once, the client's
system could drop the answer before the client has read it."""


@cache
def most_connections() -> int:
    """Connections of all clients: a third of the file descriptors, because an upload needs two, and the stores need some."""
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MAX_CONNECTIONS if descriptors == resource.RLIM_INFINITY else min(MAX_CONNECTIONS, max(64, descriptors // 3))


class PatientProtocol(HttpToolsProtocol):
    """Uvicorn's protocol, which also answers 431 to a head of more than `MAX_HEAD` bytes, closes slow connections, and limits
    the number of connections.

    Where a new connection exceeds a limit, the one that waits longest for its client is closed: it is idle or stalls. If the
    service is answering on all of them, the new one gets 503.
    """

    max_per_client = 0
    """Connections of one address, 0 for any number; loopback addresses (a proxy on this machine) are not counted."""
    _active = 0.0
    _is_lingering = False
    _received = 0
    _is_in_head = True
    _timer: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.timeout_keep_alive = KEEP_ALIVE_SECONDS
        self._active = self.loop.time()
        self._begin_timer()
        if not self._make_room():
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too many open connections; close some, or retry later")

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        """Parse data; a head in pieces, to stop when it is too large."""
        self._active = self.loop.time()
        if self._is_lingering:
            return
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
                self._refuse(
                    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                    f"the request line and headers are too large; the limit is {MAX_HEAD >> 10} KB",
                )

    @override
    def on_message_begin(self) -> None:
        self._received = 0
        super().on_message_begin()

    @override
    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._stop_timer()
        super().on_headers_complete()
        self.cycle.transport = _CycleTransport(self, self.cycle)  # type: ignore[assignment]

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

    @property
    def is_waiting(self) -> bool:
        """Whether the connection waits for its client: for a request, or for the rest of a body."""
        cycle = self.cycle
        return cycle is None or cycle.response_complete or cycle.more_body

    def linger(self) -> None:
        """Close the connection for writing; discard what the client sends until it closes the connection or takes too long."""
        self._is_lingering = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _make_room(self) -> bool:
        """Close another connection if there are too many; False if none can be closed."""
        crowd = self._crowd()
        waiting = [each for each in crowd if each is not self and each.is_waiting]
        if waiting:
            min(waiting, key=lambda each: each._active).transport.close()
        return not crowd or bool(waiting)

    def _crowd(self) -> list[PatientProtocol]:
        """The connections that share an exceeded limit with this one, itself among them; empty if no limit is exceeded."""
        address = None if self.client is None else self.client[0]
        counts_client = self.max_per_client > 0 and address is not None and not is_own(address)
        limit = most_connections()
        if len(self.connections) <= (min(self.max_per_client, limit) if counts_client else limit):
            return []
        found = [each for each in self.connections if isinstance(each, PatientProtocol) and not each.transport.is_closing()]
        if len(found) > limit:
            return found
        own = [
            each for each in found if each.client is not None and self.client is not None and each.client[0] == self.client[0]
        ]
        return own if counts_client and len(own) > self.max_per_client else []

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        body = json.dumps({"type": "about:blank", "title": status.phrase, "status": status, "detail": detail}).encode()
        retry = "retry-after: 5\r\n" if status == HTTPStatus.SERVICE_UNAVAILABLE else ""
        headers = f"content-type: application/problem+json\r\ncontent-length: {len(body)}\r\n{retry}connection: close\r\n\r\n"
        self.transport.write(STATUS_LINE[status] + headers.encode() + body)
        self.transport.close()


class _CycleTransport:
    """The transport of one request: it lingers if it is closed before the body is complete."""

    def __init__(self, protocol: PatientProtocol, cycle: RequestResponseCycle) -> None:
        self._protocol = protocol
        self._cycle = cycle
        self.write = protocol.transport.write
        self.is_closing = protocol.transport.is_closing

    def close(self) -> None:
        if self._cycle.more_body and not self._protocol.transport.is_closing():
            self._protocol.linger()
        else:
            self._protocol.transport.close()


def limited_protocol(max_per_client: int) -> type[PatientProtocol]:
    """The protocol with a limit for the connections of one client address."""

    class LimitedProtocol(PatientProtocol):
        """`PatientProtocol` with the limit of the settings."""

    LimitedProtocol.max_per_client = max_per_client
    return LimitedProtocol
