"""Who may do what: the key of a request, the role that it needs, and the answer to a request that may not be."""

from __future__ import annotations

import base64
import binascii
import re

from starlette.datastructures import Headers, QueryParams
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.links import is_signed
from app.api.problems import problem
from app.domain.keys import ApiKey, Role
from app.stores.key_file import KeyFile

COOKIE = "dyad_key"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="dyad"'}
_OPEN = re.compile(r"/|/(conformance|openapi\.json|docs|healthz|readyz|session)|/static/.*")
"""What says nothing of anybody's data; the page is here, so that it can ask for a key."""
_ADMIN = (
    ("DELETE", re.compile(r"/collections/[^/]+/?")),
    ("POST", re.compile(r"/models.*")),
    ("DELETE", re.compile(r"/models.*")),
)
_SEARCH = re.compile(r"/collections/[^/]+/search")
_PICTURE = re.compile(r"/collections/([^/]+)/items/([^/]+)/(?:thumbnail|image)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def needed_role(method: str, path: str) -> Role | None:
    """The role that a request needs; None: it is open to everybody.

    Reading needs `read`, everything else `write`, so that a route that nobody thought of here is guarded all the same.
    """
    if _OPEN.fullmatch(path):
        return None
    if method in SAFE or (method == "POST" and _SEARCH.fullmatch(path)):
        return Role.READ
    return Role.ADMIN if any(method == verb and pattern.fullmatch(path) for verb, pattern in _ADMIN) else Role.WRITE


def presented_key(headers: Headers) -> str | None:
    """The text of the key that a request brings: `X-API-Key`, a bearer token, the password of Basic, or the page's cookie."""
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
    """Lets a request pass if its key may do it; without keys everybody may do everything, but no other site in their name.

    Runs before any of the body is read. The key is left as `request.state.key`.
    """

    def __init__(self, app: ASGIApp, keys: KeyFile | None) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401, 403, or pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        await (self._app if refusal is None else refusal)(scope, receive, send)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        method, path, headers = scope["method"], scope["path"], Headers(scope=scope)
        if method not in SAFE and headers.get("sec-fetch-site", "same-origin") == "cross-site":
            return problem(403, "a page of another site sent this request")
        if _CONTROL.search(path):
            return problem(404, "there is nothing at an address with control characters")
        text = None if self._keys is None else presented_key(headers)
        key = None if self._keys is None or text is None else self._keys.find(text)
        scope.setdefault("state", {})["key"] = key
        needed = needed_role(method, path)
        if self._keys is None or needed is None or self._is_signed(scope):
            return None
        if key is None:
            return problem(401, _unknown(text), headers=CHALLENGE)
        return None if key.role.allows(needed) else problem(403, _too_little(key, needed))

    def _is_signed(self, scope: Scope) -> bool:
        """Whether it asks for a picture by a link that this service made."""
        picture = _PICTURE.fullmatch(scope["path"])
        if picture is None or self._keys is None or scope["method"] not in SAFE or b"signature=" not in scope["query_string"]:
            return False
        return is_signed(picture[1], picture[2], QueryParams(scope["query_string"]), self._keys.named)


def _unknown(text: str | None) -> str:
    if text is None:
        return "this service needs a key: send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`, never in the address"
    return "the key is not known; ask whoever runs the service for one"


def _too_little(key: ApiKey, needed: Role) -> str:
    return f"the key {key.name!r} has the role {key.role}; this needs {needed}"
