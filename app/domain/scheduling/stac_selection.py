"""Which Items of a STAC source are taken."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.domain.places.geometry import Bounds, Region, parse_bbox
from app.domain.queries.cql2.expression import Expression, parse_expression
from app.domain.temporal import Interval, parse_interval
from app.errors import InvalidInput

MAX_COLLECTIONS = 100


class StacSelection(BaseModel):
    """Conditions on the Items of a STAC source, combined by AND. `filter` is CQL2 over the properties of the Items."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    collections: tuple[Annotated[str, StringConstraints(min_length=1, max_length=1024)], ...] = Field(
        default=(), max_length=MAX_COLLECTIONS, description="Only Items of these STAC collections"
    )
    bbox: tuple[float, ...] | None = Field(
        default=None,
        max_length=6,
        description="[west, south, east, north] in degrees (WGS 84); only this area of scenes is cut",
    )
    datetime: str | None = Field(default=None, max_length=100, description="RFC 3339 instant or interval, `..` for an open end")
    filter: Annotated[str, Field(max_length=100_000)] | dict[str, Any] | None = Field(
        default=None, description="Filter in CQL2, text or JSON, over the properties of the Items"
    )
    filter_lang: Literal["cql2-text", "cql2-json"] | None = None

    @model_validator(mode="after")
    def _check_selection(self) -> Self:
        try:
            _ = self.conditions
        except InvalidInput as error:
            raise ValueError(str(error)) from None
        return self

    @cached_property
    def conditions(self) -> Conditions:
        """The parsed conditions."""
        return Conditions(
            collections=self.collections,
            bbox=self.bbox,
            region=None if self.bbox is None else parse_bbox(self.bbox),
            datetime=self.datetime,
            interval=None if self.datetime is None else parse_interval(self.datetime),
            expression=None if self.filter is None else parse_expression(self.filter, self.filter_lang),
        )

    @property
    def selection(self) -> dict[str, Any]:
        """The given conditions as JSON, empty if there are none."""
        return self.model_dump(mode="json", include=set(StacSelection.model_fields), exclude_defaults=True)


@dataclass(frozen=True, slots=True)
class Conditions:
    """A parsed selection. bbox, datetime: as given; region, interval: the same, parsed."""

    collections: tuple[str, ...] = ()
    bbox: tuple[float, ...] | None = None
    region: Region | None = None
    datetime: str | None = None
    interval: Interval | None = None
    expression: Expression | None = None

    @property
    def area(self) -> Bounds | None:
        """The area of the box."""
        return None if self.region is None else self.region.bounds

    @property
    def needs_items(self) -> bool:
        """Whether there are conditions that only STAC Items can meet."""
        return bool(self.collections or self.interval or self.expression)


EVERYTHING = Conditions()
