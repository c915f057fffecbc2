"""The body of a STAC item search."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field

from app.api.documents.base import In
from app.api.documents.search import INTERSECTS, MAX_IDS, MAX_LISTED
from app.domain.places.geometry import GeoJSON


class SortBy(In):
    """A property to sort by."""

    field: str
    direction: Literal["asc", "desc"] = "asc"


class FieldsRequest(In):
    """Members and properties to return, and to leave out."""

    include: list[str] | None = Field(default=None, max_length=100)
    exclude: list[str] | None = Field(default=None, max_length=100)


class ItemSearchRequest(In):
    """Body of `POST /search`; the filters are combined with AND."""

    collections: Annotated[list[str], Field(max_length=MAX_LISTED)] | str | None = Field(
        default=None, description="Collections to search, by default all"
    )
    ids: list[str] | None = Field(default=None, max_length=MAX_IDS)
    bbox: list[float] | None = Field(default=None, description="[west, south, east, north] in degrees (WGS 84)")
    intersects: GeoJSON | None = Field(default=None, description=INTERSECTS)
    datetime: str | None = Field(default=None, description="RFC 3339 instant or interval, `..` for an open end")
    labels: list[str] | None = Field(default=None, max_length=MAX_LISTED)
    filter: str | dict[str, Any] | None = Field(default=None, description="Filter in CQL2: JSON, or text")
    filter_lang: Literal["cql2-text", "cql2-json"] | None = Field(
        default=None, validation_alias=AliasChoices("filter-lang", "filter_lang")
    )
    filter_crs: str | None = Field(default=None, validation_alias=AliasChoices("filter-crs", "filter_crs"))
    query: dict[str, dict[str, Any]] | None = Field(default=None, description="Operators by property (STAC query extension)")
    sortby: list[SortBy] | None = Field(default=None, max_length=10)
    fields: FieldsRequest | None = None
    limit: int = Field(default=10, ge=1, description="Number of items per page; values above 1000 mean 1000")
    token: str | None = Field(default=None, description="Page token, from the `next` link of the previous page")
