"""What all documents share: the base of request bodies, links, and media types."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from typing_extensions import override

GEOJSON = "application/geo+json"
JSON = "application/json"
Document = dict[str, Any]


class In(BaseModel):
    """Base of request bodies: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


def is_none(value: object) -> bool:
    """Whether a member has no value; for `exclude_if` of members that are left out then."""
    return value is None


class Link(BaseModel):
    """A web link (RFC 8288). A link with `method` POST carries the request body in `body`. Members without a value are left
    out: clients expect text.
    """

    href: str
    rel: str
    type: str | None = Field(default=None, exclude_if=is_none)
    title: str | None = Field(default=None, exclude_if=is_none)
    method: str | None = Field(default=None, exclude_if=is_none)
    body: dict[str, Any] | None = Field(default=None, exclude_if=is_none)


class GeoJSONResponse(JSONResponse):
    """A JSON response with the media type of GeoJSON. Numbers that are not finite are null."""

    media_type = GEOJSON

    @override
    def render(self, content: Any) -> bytes:
        return to_json(content, inf_nan_mode="null")


def in_system(response: Response, crs: str) -> Response:
    """An answer whose header `Content-Crs` names the system of its coordinates by its URI."""
    response.headers["Content-Crs"] = f"<{crs}>"
    return response


def base_url(request: Request) -> str:
    """The URL of the service as the client wrote it, without a trailing slash."""
    return str(request.base_url).rstrip("/")


def link(href: str, rel: str, type: str = JSON, **more: Any) -> dict[str, Any]:
    """A link as a plain dict, for documents that are not validated before they are sent."""
    return {"href": href, "rel": rel, "type": type, **more}


def page_links(request: Request, type: str = JSON) -> list[dict[str, Any]]:
    """The links `self` and `root`."""
    return [link(str(request.url), "self", type), link(f"{base_url(request)}/", "root")]


def next_link(request: Request, token: str) -> dict[str, Any]:
    """The link `next`: the same GET request with another page token."""
    parameters = [(key, value) for key, value in request.query_params.multi_items() if key != "token"]
    query = urlencode([*parameters, ("token", token)])
    return link(str(request.url.replace(query=query)), "next", GEOJSON)
