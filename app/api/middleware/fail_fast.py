"""Requests do not wait for a part that is away: they say so, with 503 and `Retry-After`."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from app.ports.wait_limit import limited_wait

SECONDS = 2.0
"""Enough for a connection that was dropped or a replica that takes over."""


class FailFastMiddleware:
    """Keeps what a request calls from trying for as long as a job would."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with limited_wait(SECONDS):
            await self._app(scope, receive, send)
