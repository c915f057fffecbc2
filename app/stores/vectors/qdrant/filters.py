"""Translates filter conditions to the models of `qdrant-client`."""

from __future__ import annotations

from typing import Any

from qdrant_client import models

from app.stores.vectors.conditions import EVERYTHING, AnyOf, Between, Condition, During, IdIn, Where


def to_filter(where: Where) -> models.Filter | None:
    """The filter of a condition; None for `EVERYTHING`."""
    if where == EVERYTHING:
        return None
    must, should, must_not = ([_condition(part) for part in parts] or None for parts in (where.must, where.some, where.never))
    return models.Filter(must=must, should=should, must_not=must_not)


def _condition(condition: Condition) -> Any:
    if isinstance(condition, Where):
        return to_filter(condition) or models.Filter()
    if isinstance(condition, IdIn):
        return models.HasIdCondition(has_id=list(condition.ids))
    if isinstance(condition, AnyOf):
        return models.FieldCondition(key=condition.key, match=models.MatchAny(any=list(condition.values)))
    if isinstance(condition, Between):
        return models.FieldCondition(key=condition.key, range=models.Range(gte=condition.low, lte=condition.high))
    if isinstance(condition, During):
        interval = models.DatetimeRange.model_validate({"gte": condition.start, "lte": condition.end})
        return models.FieldCondition(key=condition.key, range=interval)
    box = models.GeoBoundingBox(
        top_left=models.GeoPoint(lon=condition.west, lat=condition.north),
        bottom_right=models.GeoPoint(lon=condition.east, lat=condition.south),
    )
    return models.FieldCondition(key=condition.key, geo_bounding_box=box)
