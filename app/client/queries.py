"""The body of a search of the client's arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def query_of(item: str | None, point: tuple[float, float] | None, query: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a search body. item: a further positive example. point: longitude, latitude."""
    positives = [*query.get("positives", ()), *([] if item is None else [item])]
    body = {**query, **({"positives": positives} if positives else {})}
    return body if point is None else {**body, "point": list(point)}
