"""The request ID: taken from the client or generated, returned in the response, and part of logs, jobs and traces."""

from __future__ import annotations

import re
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.domain.origin import coming_from
from app.telemetry.tracing import span

HEADER = "X-Request-ID"
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class RequestContextMiddleware:
    """Sets the request ID and starts the trace span of a request; outermost, so that all log lines have the ID."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on within the context."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given, parent = headers.get(HEADER.lower(), ""), headers.get("traceparent", "")
        request_id = given if _ID.fullmatch(given) else uuid.uuid4().hex
        traceparent = parent if _TRACEPARENT.fullmatch(parent) else None
        status = 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        with (
            coming_from(request_id=request_id, traceparent=traceparent),
            span(scope["method"], kind="SERVER", parent=traceparent, http_request_method=scope["method"]) as current,
        ):
            try:
                await self._app(scope, receive, answer)
            finally:
                route = getattr(scope.get("route"), "path", "other")
                current.update_name(f"{scope['method']} {route}")
                current.set_attribute("http.route", route)
                current.set_attribute("http.response.status_code", status)
