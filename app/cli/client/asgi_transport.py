"""A synchronous httpx transport to an ASGI application in this process. It streams the bodies of requests and responses."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future

import anyio
import httpx
from anyio.from_thread import BlockingPortal
from starlette.types import ASGIApp, Message, Scope
from typing_extensions import override

from app.errors import DyadError


class AsgiTransport(httpx.BaseTransport):
    """Calls `app` in the event loop of `portal`. Timeouts of the client have no effect."""

    def __init__(self, app: ASGIApp, portal: BlockingPortal) -> None:
        self._app = app
        self._portal = portal

    @override
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the response as soon as its headers are known.

        Raises:
            DyadError: the application failed with it. Exception: the application failed without a response.
        """
        return _Exchange(self._app, self._portal, request).response()


class _Exchange(httpx.SyncByteStream):
    """One request and its response. The application waits while a part of the response is not read yet."""

    def __init__(self, app: ASGIApp, portal: BlockingPortal, request: httpx.Request) -> None:
        self._app = app
        self._portal = portal
        self._scope = _scope_of(request)
        self._request_body = _pieces(request)
        self._is_received = False
        self._is_complete = False
        self._sending, self._received = anyio.create_memory_object_stream[Message](0)
        self._task: Future[None] | None = None

    def response(self) -> httpx.Response:
        """Start the application and wait for the first message of its response."""
        self._task = self._portal.start_task_soon(self._run)
        try:
            start = self._next()
        except BaseException:
            self.close()
            raise
        if start is None:
            self.close()
            raise RuntimeError("the application ended without a response")
        return httpx.Response(start["status"], headers=start["headers"], stream=self)

    @override
    def __iter__(self) -> Iterator[bytes]:
        while (message := self._next()) is not None:
            self._is_complete = not message.get("more_body", False)
            yield message.get("body", b"")

    @override
    def close(self) -> None:
        """Stop the application if it has not ended, and discard the rest of the response."""
        if self._task is not None:
            self._task.cancel()
        self._portal.call(self._close_received)

    async def _close_received(self) -> None:
        self._received.close()

    async def _run(self) -> None:
        async with self._sending:
            await self._app(self._scope, self._receive, self._sending.send)

    async def _receive(self) -> Message:
        if self._is_received:
            await anyio.sleep_forever()  # the client is connected until the application ends or is cancelled
        piece = next(self._request_body, None)
        self._is_received = piece is None
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    def _next(self) -> Message | None:
        """The next message of the response; None after the last one, when the application has ended."""
        try:
            return self._portal.call(self._received.receive)
        except anyio.EndOfStream:
            error = None if self._task is None else self._task.exception()
            if error is None or self._is_complete:  # an application that answers 500 raises the error again, for its server
                return None
            raise error.__cause__ if isinstance(error.__cause__, DyadError) else error from None


def _pieces(request: httpx.Request) -> Iterator[bytes]:
    stream = request.stream
    if not isinstance(stream, httpx.SyncByteStream):
        raise TypeError("the request has no synchronous body")
    return iter(stream)


def _scope_of(request: httpx.Request) -> Scope:
    """The ASGI scope. It names no server, so links in responses are paths from the root."""
    raw_path, _, query = request.url.raw_path.partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": request.url.path,
        "raw_path": raw_path,
        "query_string": query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw if name.lower() != b"host"],
        "client": None,
        "server": None,
    }
