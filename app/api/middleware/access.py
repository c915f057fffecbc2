"""Authentication and access: finds the key of a request and the rule of its route, and answers 401 or 403.

Starlette's `AuthenticationMiddleware` is not used: it does not check what a route requires before the body is read.
"""

from __future__ import annotations

import base64
import binascii
import re

from starlette.datastructures import Headers, QueryParams
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.access import SAFE, Access, AccessTable
from app.api.links import is_signed
from app.api.middleware.origins import OriginCheck
from app.api.problems import problem
from app.domain.keys import ApiKey, Role
from app.services.search.shared_links import SharedLinks
from app.stores.key_file import KeyFile

COOKIE = "dyad_key"
BEARER, BASIC = 'Bearer realm="dyad"', 'Basic realm="dyad", charset="UTF-8"'
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def presented_key(headers: Headers) -> str | None:
    """The key that a request sends: `X-API-Key`, a bearer token, the password of Basic authentication, or the page's cookie."""
    if key := headers.get("x-api-key"):
        return key.strip()
    scheme, _, rest = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return cookie_parser(headers.get("cookie", "")).get(COOKIE)


class AccessMiddleware:
    """Passes a request on if its key has the role that its route needs.

    Without a key file every request passes, except one that a page of another site sends to change something
    (`OriginCheck`). Runs before the body is read. Sets `request.state.key` (None without a known key) and
    `request.state.access`, the `AccessRule` of the route.
    """

    def __init__(
        self, app: ASGIApp, keys: KeyFile | None, table: AccessTable, origins: OriginCheck, links: SharedLinks
    ) -> None:
        self._links = links
        self._app = app
        self._origins = origins
        self._keys = keys
        self._table = table

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 or 403, or pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        await (self._app if refusal is None else refusal)(scope, receive, send)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        method, path, headers = scope["method"], scope["path"], Headers(scope=scope)
        if method not in SAFE and (reason := self._origins.refusal(headers)) is not None:
            return problem(403, reason)
        if _CONTROL.search(path):
            return problem(404, "the path contains control characters; no resource has such a path")
        text = None if self._keys is None else presented_key(headers)
        key = None if self._keys is None or text is None else self._keys.find(text)
        access = self._table.find(method, path)
        scope.setdefault("state", {}).update(key=key, access=access.rule)
        needed = access.rule.role
        if self._keys is None or needed is None or self._is_signed(scope, access):
            return None
        if key is None:
            return problem(401, _unauthenticated(text), headers=_challenge(headers))
        return None if key.role.allows(needed) else problem(403, _forbidden(key, needed))

    def _is_signed(self, scope: Scope, access: Access) -> bool:
        """Whether the request is a link to a picture that this service signed, or to a layer that it shares."""
        if not access.rule.accepts_signature or self._keys is None:
            return False
        query, collection, item = QueryParams(scope["query_string"]), access.parameters["collection_id"], access.item
        if "link" in query:
            is_allowed = self._links.allows(query["link"], collection, is_picture=item is not None)
            if is_allowed:
                scope["state"]["link"] = query["link"]
            return is_allowed
        return item is not None and "signature" in query and is_signed(collection, item, query, self._keys.named)


def _challenge(headers: Headers) -> dict[str, str]:
    """The challenge of a 401. GIS programs send a user and password (the key) only after a Basic challenge; a browser would
    show its own dialog instead of the page's.
    """
    is_browser = "sec-fetch-mode" in headers or "text/html" in headers.get("accept", "")
    return {"WWW-Authenticate": BEARER if is_browser else f"{BEARER}, {BASIC}"}


def _unauthenticated(text: str | None) -> str:
    if text is None:
        return "this service needs a key: send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`, never in the URL"
    return "the key is not valid; ask the operator of the service for a key"


def _forbidden(key: ApiKey, needed: Role) -> str:
    return f"the key {key.name!r} has the role {key.role}; this needs {needed}"
