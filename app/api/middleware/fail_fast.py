"""Requests fail fast when a component is unavailable: 503 and `Retry-After` instead of a long wait."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from app.ports.wait_limit import limited_wait

SECONDS = 2.0
"""Seconds that a request retries: enough to reconnect, or for a replica to take over."""


class FailFastMiddleware:
    """Limits how long the stores retry within a request; jobs retry for longer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with the limit."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with limited_wait(SECONDS):
            await self._app(scope, receive, send)
