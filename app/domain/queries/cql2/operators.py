"""The operators of CQL2 on values. All return None where an operand is unknown (null), as SQL does."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

import shapely
from shapely.affinity import translate

from app.domain.queries.cql2.values import Interval, as_geometry, as_time, without_accents

Apply = Callable[..., Any]
_TURNS = (0.0, 360.0, -360.0)


def compare(holds: Callable[[Any, Any], bool]) -> Apply:
    """A comparison of two values of one kind; None for values that cannot be compared."""

    def apply(left: Any, right: Any) -> bool | None:
        if left is None or right is None:
            return None
        if isinstance(left, datetime | tuple) or isinstance(right, datetime | tuple):
            return _compare_times(holds, as_time(left), as_time(right))
        if isinstance(left, list) != isinstance(right, list):  # `labels = 'river'`: one of the values
            pairs = [(each, right) for each in left] if isinstance(left, list) else [(left, each) for each in right]
            if holds is operator.ne:
                return all(one != other for one, other in pairs)
            return any(holds(*pair) for pair in pairs if _comparable(holds, *pair))
        return holds(left, right) if _comparable(holds, left, right) else (holds is operator.ne or None)

    return apply


def _compare_times(holds: Callable[[Any, Any], bool], left: Interval | None, right: Interval | None) -> bool | None:
    """Compare instants; a date is the whole day, so that `> DATE('2025-01-01')` begins after its end."""
    if left is None or right is None:
        return None
    is_within = right[0] <= left[0] and left[1] <= right[1]
    return {
        operator.eq: is_within,
        operator.ne: not is_within,
        operator.lt: left[1] < right[0],
        operator.le: left[1] <= right[1],
        operator.gt: left[0] > right[1],
        operator.ge: left[0] >= right[0],
    }[holds]


def _comparable(holds: Callable[[Any, Any], bool], left: Any, right: Any) -> bool:
    """Whether the values are of one kind, which has an order if `holds` needs one: arrays and objects have none."""
    is_equality = holds in (operator.eq, operator.ne)
    return _alike(left, right) and (is_equality or not isinstance(left, list | dict))


def _alike(left: Any, right: Any) -> bool:
    numbers = (int, float)
    if isinstance(left, bool) or isinstance(right, bool):
        return isinstance(left, bool) and isinstance(right, bool)
    return (isinstance(left, numbers) and isinstance(right, numbers)) or type(left) is type(right)


def _like(value: Any, pattern: Any) -> bool | None:
    if isinstance(value, list):
        return any(_like(each, pattern) for each in value)
    if not isinstance(value, str) or not isinstance(pattern, str):
        return None
    return _pattern(pattern).fullmatch(value) is not None


@lru_cache(maxsize=256)
def _pattern(text: str) -> re.Pattern[str]:
    """`%` stands for any characters, `_` for one, and a backslash makes the next character literal."""
    kinds = {"%": ".*", "_": "."}
    parts = re.findall(r"\\.|.", re.sub("%+", "%", text), re.DOTALL)
    return re.compile("".join(kinds.get(each) or re.escape(each.removeprefix("\\") or each) for each in parts), re.DOTALL)


def _between(value: Any, low: Any, high: Any) -> bool | None:
    above, below = compare(operator.ge)(value, low), compare(operator.le)(value, high)
    return None if above is None or below is None else above and below


def _in(value: Any, options: Any) -> bool | None:
    if value is None or not isinstance(options, list):
        return None
    return any(compare(operator.eq)(value, each) for each in options)


def _arithmetic(compute: Callable[[Any, Any], Any]) -> Apply:
    def apply(left: Any, right: Any) -> float | None:
        if any(isinstance(each, bool) or not isinstance(each, int | float) for each in (left, right)):
            return None
        try:
            result = compute(float(left), float(right))
        except (ZeroDivisionError, OverflowError, ValueError):
            return None
        return result if isinstance(result, float) else None  # a complex power

    return apply


def _spatial(holds: Callable[..., Any], *, is_any: bool = True) -> Apply:
    """A relation of two geometries, on either side of the antimeridian. is_any: enough if it holds for one turn."""

    def apply(left: Any, right: Any) -> bool | None:
        one, other = as_geometry(left), as_geometry(right)
        if one is None or other is None:
            return None
        found = (bool(holds(translate(one, turn), other)) for turn in _TURNS)
        return any(found) if is_any else all(found)

    return apply


def _temporal(holds: Callable[[Interval, Interval], bool]) -> Apply:
    def apply(left: Any, right: Any) -> bool | None:
        one, other = as_time(left), as_time(right)
        return None if one is None or other is None else holds(one, other)

    return apply


def _sets(holds: Callable[[list[Any], list[Any]], bool]) -> Apply:
    def apply(left: Any, right: Any) -> bool | None:
        return holds(left, right) if isinstance(left, list) and isinstance(right, list) else None

    return apply


def _text(change: Callable[[str], str]) -> Apply:
    def apply(value: Any) -> Any:
        if isinstance(value, list):
            return [apply(each) for each in value]
        return change(value) if isinstance(value, str) else None

    return apply


OPERATORS: Mapping[str, tuple[int, Apply]] = {
    "=": (2, compare(operator.eq)),
    "<>": (2, compare(operator.ne)),
    "<": (2, compare(operator.lt)),
    "<=": (2, compare(operator.le)),
    ">": (2, compare(operator.gt)),
    ">=": (2, compare(operator.ge)),
    "like": (2, _like),
    "between": (3, _between),
    "in": (2, _in),
    "isnull": (1, lambda value: value is None),
    "casei": (1, _text(str.casefold)),
    "accenti": (1, _text(without_accents)),
    "+": (2, _arithmetic(operator.add)),
    "-": (2, _arithmetic(operator.sub)),
    "*": (2, _arithmetic(operator.mul)),
    "/": (2, _arithmetic(operator.truediv)),
    "%": (2, _arithmetic(operator.mod)),
    "div": (2, _arithmetic(operator.floordiv)),
    "^": (2, _arithmetic(operator.pow)),
    "s_intersects": (2, _spatial(shapely.intersects)),
    "s_disjoint": (2, _spatial(shapely.disjoint, is_any=False)),
    "s_equals": (2, _spatial(shapely.equals)),
    "s_touches": (2, _spatial(shapely.touches)),
    "s_within": (2, _spatial(shapely.within)),
    "s_overlaps": (2, _spatial(shapely.overlaps)),
    "s_crosses": (2, _spatial(shapely.crosses)),
    "s_contains": (2, _spatial(shapely.contains)),
    "t_after": (2, _temporal(lambda one, other: one[0] > other[1])),
    "t_before": (2, _temporal(lambda one, other: one[1] < other[0])),
    "t_equals": (2, _temporal(operator.eq)),
    "t_during": (2, _temporal(lambda one, other: other[0] < one[0] and one[1] < other[1])),
    "t_contains": (2, _temporal(lambda one, other: one[0] < other[0] and other[1] < one[1])),
    "t_intersects": (2, _temporal(lambda one, other: one[0] <= other[1] and other[0] <= one[1])),
    "t_disjoint": (2, _temporal(lambda one, other: one[0] > other[1] or other[0] > one[1])),
    "a_equals": (2, _sets(lambda one, other: all(each in other for each in one) and all(each in one for each in other))),
    "a_contains": (2, _sets(lambda one, other: all(each in one for each in other))),
    "a_containedby": (2, _sets(lambda one, other: all(each in other for each in one))),
    "a_overlaps": (2, _sets(lambda one, other: any(each in other for each in one))),
}
"""Number of operands and function of each operator, by name in lower case."""
