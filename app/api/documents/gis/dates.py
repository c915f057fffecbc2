"""Documents of acquisition dates."""

from __future__ import annotations

from pydantic import BaseModel, Field

from app.api.documents.base import Link


class DateCount(BaseModel):
    """A date, month or year (UTC) and the number of tiles acquired in it."""

    date: str = Field(description="YYYY-MM-DD, YYYY-MM or YYYY")
    count: int


class DateList(BaseModel):
    """The acquisition dates of a collection, ascending. undated: tiles without a date."""

    dates: list[DateCount]
    undated: int
    links: list[Link]
