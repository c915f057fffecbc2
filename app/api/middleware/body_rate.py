"""A minimum rate for request bodies: a client that stalls does not hold a connection, a file and a staging folder for ever."""

from __future__ import annotations

import time

from anyio import fail_after
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SLOW_SECONDS = 30.0
SLOW_BYTES = 30_000
"""The minimum in `SLOW_SECONDS` of waiting for the client: 1 kB/s."""


class BodyRateMiddleware:
    """Answers 408 to a body that arrives too slowly, and closes connections whose body is not read to its end.

    Uvicorn has no limit for the time of a body, and would read the rest of a refused one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; time its body."""
        if scope["type"] != "http" or not _has_body(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        body = _Body(receive, send)
        await self._app(scope, body.receive, body.send)


class _Body:
    """The body of one request. Only time in which the application waits for the client counts."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._waited = 0.0
        self._received = 0
        self._is_complete = False
        self._is_answered = False

    async def receive(self) -> Message:
        if self._is_complete:
            return await self._receive()
        begun = time.monotonic()
        try:
            with fail_after(max(0.0, SLOW_SECONDS - self._waited)):
                message = await self._receive()
        except TimeoutError:
            return self._stalled()
        self._waited += time.monotonic() - begun
        self._received += len(message.get("body", b""))
        if self._received >= SLOW_BYTES:
            self._waited, self._received = 0.0, 0
        self._is_complete = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._is_answered = True
            if not self._is_complete:
                MutableHeaders(scope=message)["Connection"] = "close"
        await self._send(message)

    def _stalled(self) -> Message:
        if self._is_answered:  # an answer that is a stream stops when its client disconnects
            return {"type": "http.disconnect"}
        raise HTTPException(
            408, f"less than {SLOW_BYTES} bytes of the request body arrived in {SLOW_SECONDS:g} s; send the request again"
        )


def _has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
