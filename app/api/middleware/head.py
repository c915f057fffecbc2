"""`HEAD` wherever there is `GET`: the same answer without its body. FastAPI's routes answer 405 to it."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadMiddleware:
    """Runs a HEAD request as GET, sends the head of the answer, and ends the request there: an endless answer ends, too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on as GET."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        has_ended = False

        async def head_only(message: Message) -> None:
            nonlocal has_ended
            if has_ended:
                return
            await send(message)
            if message["type"] == "http.response.start":
                has_ended = True
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        async def received() -> Message:
            return {"type": "http.disconnect"} if has_ended else await receive()

        await self._app({**scope, "method": "GET"}, received, head_only)
