"""Security headers of every response."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "default-src 'self'; img-src 'self' data: blob:{images}; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"

REPORT_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox"
"""For generated reports: no scripts, no network access."""


class SecurityHeadersMiddleware:
    """Restricts pages to their own origin and turns off MIME sniffing.

    images: another origin from which pages may load images, empty for none. Starlette has no middleware for these headers.
    """

    def __init__(self, app: ASGIApp, *, images: str = "") -> None:
        self._app = app
        self._policy = POLICY.format(images=f" {images}" if images else "")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the headers to the response."""

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Content-Security-Policy", self._policy)
            await send(message)

        await self._app(scope, receive, add if scope["type"] == "http" else send)
