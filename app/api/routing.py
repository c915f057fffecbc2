"""The class of all routes: checks what FastAPI ignores, before the body is read.

FastAPI drops query parameters that a route does not declare and takes the last value of repeated ones, so a misspelled filter
would return everything. It also parses JSON in the event loop, where a large body delays all other requests.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from typing import Any, TypeVar, get_args, get_origin

from anyio import to_thread
from fastapi import APIRouter, Request, Response
from fastapi.datastructures import DefaultPlaceholder
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.datastructures import Headers, QueryParams
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute
from typing_extensions import override

from app.api.access import SAFE, rule_of
from app.api.answers.html import html_page
from app.api.direct_calls import Handler, direct_handler
from app.errors import InvalidInput, Unprocessable

FORMAT = "f"
"""Parameter of the OGC APIs for the format of an answer: `json` or `html` where the answer is JSON."""
FORMATS = ("json", "geojson", "html")
HTML = "text/html"
SIGNATURE = ("expires", "key", "signature", "link")
"""Parameters of a signed link (`app.api.links`)."""
_OTHER_NAMES = {
    "offset": "token",
    "page": "token",
    "cursor": "token",
    "startindex": "token",
    "count": "limit",
    "per_page": "limit",
}
"""Names of other services for parameters of this one."""
SMALL_JSON = 64 << 10
MAX_VALUES = 200_000
"""Values of a JSON body. Parsing more would hold the interpreter for more than about 20 ms, in a thread too."""
JSON = "application/json"

Parsed = TypeVar("Parsed")


class CheckedRoute(APIRoute):
    """Answers 400 to unknown or repeated query parameters, and 415 to a body that is not JSON where the route reads JSON.

    Pages (`/` for a browser, and routes outside of the OpenAPI document) accept any parameters, because sites add some to
    links. A JSON answer to GET is a page with `f=html`, or for a client that prefers HTML.
    """

    @override
    def get_route_handler(self) -> Handler:
        handler = direct_handler(self.dependant, super().get_route_handler())
        known = {name: _is_list(annotation) for name, annotation in _parameters(self.dependant)}
        rule = rule_of(self.endpoint)
        if rule is not None and rule.accepts_signature:
            known |= dict.fromkeys(SIGNATURE, False)
        has_format = (self.methods or set()) <= SAFE and answers_json(self)
        media_types = _declared_media_types(self)
        if self.body_field is not None:
            media_types.add(JSON)

        async def handle(request: Request) -> Response:
            if self.include_in_schema and not _is_page(request):
                check_parameters(request.query_params, known, has_format=has_format)
            if JSON in media_types:
                _check_media_type(request.headers, media_types)
            if self.body_field is None:
                answer = await handler(request)
                return _as_page(request, answer) if has_format and wants_html(request) else answer
            request = _JsonRequest(request.scope, request.receive)
            check_json_size(await request.body())
            return await handler(request)

        return handle


class _JsonRequest(Request):
    """Parses a large JSON body in a thread."""

    @override
    async def json(self) -> Any:
        return await parse_json(await self.body(), json.loads)


async def parse_json(body: bytes, parse: Callable[[bytes], Parsed]) -> Parsed:
    """Parse a JSON document: a large one in a thread, so that other requests are answered.

    Raises:
        Unprocessable: more than `MAX_VALUES` values. Exception: as `parse` does.
    """
    check_json_size(body)
    return parse(body) if len(body) <= SMALL_JSON else await to_thread.run_sync(parse, body)


def checked_router(*, prefix: str = "", tags: list[str]) -> APIRouter:
    """A router whose routes are `CheckedRoute`."""
    return APIRouter(prefix=prefix, tags=[*tags], route_class=CheckedRoute)


def require_checked(routes: Iterable[BaseRoute]) -> None:
    """Check that all routes are `CheckedRoute`.

    Raises:
        TypeError: a route is not.
    """
    for route in routes:
        if not isinstance(route, CheckedRoute):
            raise TypeError(f"{route!r} does not check its parameters; create its router with app.api.routing.checked_router")


def check_parameters(query: QueryParams, known: dict[str, bool], *, has_format: bool) -> None:
    """Check the names of query parameters.

    known: whether a parameter may be repeated, by name. has_format: `f` is accepted, too, with one of `FORMATS`.

    Raises:
        InvalidInput: a parameter is unknown, or is repeated and may not be.
    """
    seen: set[str] = set()
    for name, value in query.multi_items():
        if name not in known:
            if has_format and name == FORMAT:
                _check_format(value)
            else:
                raise InvalidInput(_unknown(name, [*known, FORMAT] if has_format else known))
        if name in seen and not known.get(name, False):
            raise InvalidInput(f"the query parameter {name[:100]!r} is given more than once; give it once")
        seen.add(name)


def check_json_size(body: bytes) -> None:
    """Check the number of values of a JSON document before it is parsed.

    Raises:
        Unprocessable: more than `MAX_VALUES`.
    """
    if len(body) > SMALL_JSON and body.count(b",") > MAX_VALUES:
        raise Unprocessable(f"the JSON body has more than {MAX_VALUES} values; send less in one request")


def _is_page(request: Request) -> bool:
    return request.url.path == "/" and wants_html(request)


def _unknown(name: str, known: Iterable[str]) -> str:
    names = sorted({*known})
    meant = _OTHER_NAMES.get(name.lower(), name.lower()[:100])
    nearest = get_close_matches(meant, names, n=1, cutoff=0.6)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ";"
    accepted = f"accepted: {', '.join(names)}" if names else "there are no query parameters here"
    return f"unknown query parameter {name[:100]!r}{hint} {accepted}"


def _check_format(value: str) -> None:
    if value not in FORMATS:
        raise InvalidInput(f"f={value[:100]!r} is not supported here; accepted: {', '.join(FORMATS)}")


def wants_html(request: Request) -> bool:
    """Whether the client asks for a page: by `f`, or without it by `Accept`, as browsers do."""
    asked = request.query_params.get(FORMAT)
    return asked == "html" if asked is not None else HTML in request.headers.get("accept", "")


def _as_page(request: Request, answer: Response) -> Response:
    """A JSON answer as a page; other answers, and JSON that is streamed, stay as they are."""
    body = getattr(answer, "body", b"")
    if answer.status_code != 200 or not body or not (answer.media_type or "").endswith("json"):
        return answer
    return html_page(request, json.loads(body))


def _check_media_type(headers: Headers, accepted: set[str]) -> None:
    """Answer 415 to a body of another type. A form of another site cannot send JSON without asking first (CORS)."""
    if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return
    text = headers.get("content-type", "")
    name = text.partition(";")[0].strip().lower()
    if name not in accepted and not (name.startswith("application/") and name.endswith("+json")):
        raise HTTPException(415, f"the Content-Type {text[:100]!r} is not supported here; send {' or '.join(sorted(accepted))}")


def _declared_media_types(route: APIRoute) -> set[str]:
    """The media types of a body that the route reads itself."""
    return set(((route.openapi_extra or {}).get("requestBody") or {}).get("content", ()))


def answers_json(route: APIRoute) -> bool:
    """Whether the answer of a route is JSON."""
    documented = route.responses.get(200, {}).get("content")
    if documented:
        return JSON in documented
    chosen = route.response_class
    kind = chosen.value if isinstance(chosen, DefaultPlaceholder) else chosen
    return (kind.media_type or JSON).endswith("json")


def _parameters(dependant: Dependant) -> Iterator[tuple[str, Any]]:
    """Name and type of the query parameters of a route and its dependencies."""
    for field in dependant.query_params:
        yield field.alias, field.field_info.annotation
    for inner in dependant.dependencies:
        yield from _parameters(inner)


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) in (list, tuple, set, frozenset) or any(map(_is_list, get_args(annotation)))
