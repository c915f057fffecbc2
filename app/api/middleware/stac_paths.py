"""`/stac/collections/{id}/items` and all else below: STAC clients append to the address of a collection."""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Receive, Scope, Send

_BELOW = re.compile(r"/stac(/collections/[^/]+/.+)")


class StacPathMiddleware:
    """Answers what is below a collection of the STAC catalogue as below `/collections`. Outside of the check of keys."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        found = _BELOW.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if found is not None:
            raw = scope.get("raw_path") or scope["path"].encode()
            scope = {**scope, "path": found[1], "raw_path": raw.removeprefix(b"/stac")}
        await self._app(scope, receive, send)
