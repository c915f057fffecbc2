"""The fields that filters test, a column each, and the test of a filter on all rows at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domain.temporal import parse_instant
from app.stores.vectors.conditions import AnyOf, Between, Condition, During, IdIn, PointIn, Where
from app.stores.vectors.edge.table.growing import Growing
from app.stores.vectors.payload import DATETIME_INDEX, FLOAT_INDEXES, GEO_INDEX, LABELS_FIELD, Payload

Mask = NDArray[np.bool_]
FIELDS = [*FLOAT_INDEXES, GEO_INDEX, DATETIME_INDEX, LABELS_FIELD]
"""Fields of the payload that a table repeats."""
_NUMBERS = {key: column for column, key in enumerate((*FLOAT_INDEXES, "lon", "lat"))}
_NO_TIME = np.iinfo(np.int64).min
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Unsupported(Exception):
    """The table cannot test this condition; the engine can."""


class Fields:
    """Columns of N rows.

    numbers: (N,) float64 each, NaN without a value. times: (N,) int64 microseconds since 1970. label_sets: (N,) int32 numbers
    of distinct tuples of labels, which are few.
    """

    def __init__(self) -> None:
        self.numbers = [Growing(np.float64) for _ in _NUMBERS]
        self.times = Growing(np.int64)
        self.label_sets = Growing(np.int32)
        self.known_sets: list[tuple[str, ...]] = []
        self._number_of: dict[tuple[str, ...], int] = {}

    def resize(self, count: int) -> None:
        """Make `count` rows; new ones must be set."""
        for numbers in self.numbers:
            numbers.resize(count)
        self.times.resize(count)
        self.label_sets.resize(count)

    def use_sets(self, sets: Sequence[tuple[str, ...]]) -> None:
        """The tuples of labels, in the order of their numbers."""
        self.known_sets = list(sets)
        self._number_of = {labels: number for number, labels in enumerate(sets)}

    def set(self, rows: NDArray[np.int64], payloads: Sequence[Payload]) -> None:
        """Set the fields that the payloads name; others keep their values."""
        for row, payload in zip(rows.tolist(), payloads, strict=True):
            for key in FLOAT_INDEXES:
                if key in payload:
                    self.numbers[_NUMBERS[key]].rows[row] = _number(payload[key])
            if GEO_INDEX in payload:
                centre = payload[GEO_INDEX] or {}
                for key in ("lon", "lat"):
                    self.numbers[_NUMBERS[key]].rows[row] = _number(centre.get(key))
            if DATETIME_INDEX in payload:
                self.times.rows[row] = _microseconds(payload[DATETIME_INDEX])
            if LABELS_FIELD in payload:
                self.label_sets.rows[row] = self._set_number(tuple(payload[LABELS_FIELD] or ()))

    def mask(self, where: Where, is_in: Callable[[Sequence[str]], Mask]) -> Mask | None:
        """(N,) whether each row meets the conditions; None if every row does. is_in: whether each row has one of some ids.

        Raises:
            Unsupported: a condition on another field.
        """
        masks = [self._test(condition, is_in) for condition in where.must]
        if where.some:
            masks.append(np.logical_or.reduce([self._test(condition, is_in) for condition in where.some]))
        masks += [~self._test(condition, is_in) for condition in where.never]
        if not masks:
            return None
        result = masks[0]
        for mask in masks[1:]:
            result &= mask
        return result

    def count_labels(self, mask: Mask) -> dict[str, int]:
        """The number of rows of each label."""
        counts: Counter[str] = Counter()
        per_set = np.bincount(self.label_sets.rows[mask], minlength=len(self.known_sets))
        for labels, count in zip(self.known_sets, per_set.tolist(), strict=True):
            for label in set(labels) if count else ():
                counts[label] += count
        return dict(counts)

    def _test(self, condition: Condition, is_in: Callable[[Sequence[str]], Mask]) -> Mask:
        if isinstance(condition, Where):
            mask = self.mask(condition, is_in)
            return np.ones(len(self.times.rows), bool) if mask is None else mask
        if isinstance(condition, IdIn):
            return is_in(condition.ids)
        if isinstance(condition, Between):
            return _within(self._column(condition.key), condition.low, condition.high)
        if isinstance(condition, PointIn) and condition.key == GEO_INDEX:
            lon = _within(self._column("lon"), condition.west, condition.east)
            lon &= _within(self._column("lat"), condition.south, condition.north)
            return lon
        if isinstance(condition, During) and condition.key == DATETIME_INDEX:
            mask = _within(
                self.times.rows,
                None if condition.start is None else _microseconds(condition.start),
                None if condition.end is None else _microseconds(condition.end),
            )
            mask &= self.times.rows != _NO_TIME
            return mask
        if isinstance(condition, AnyOf) and condition.key == LABELS_FIELD:
            wanted = set(condition.values)
            is_wanted = np.array([not wanted.isdisjoint(labels) for labels in self.known_sets] or [False])
            return np.asarray(is_wanted[self.label_sets.rows])
        raise Unsupported(repr(condition))

    def _column(self, key: str) -> NDArray[np.float64]:
        if key not in _NUMBERS:
            raise Unsupported(key)
        return self.numbers[_NUMBERS[key]].rows

    def _set_number(self, labels: tuple[str, ...]) -> int:
        number = self._number_of.get(labels)
        if number is None:
            number = self._number_of[labels] = len(self.known_sets)
            self.known_sets.append(labels)
        return number


def _within(values: NDArray[Any], low: float | None, high: float | None) -> Mask:
    if low is None and high is None:
        return np.asarray(values == values)  # noqa: PLR0124 - False for NaN
    if low is None:
        return np.asarray(values <= high)
    mask = np.asarray(values >= low)
    if high is not None:
        mask &= values <= high
    return mask


def _number(value: Any) -> float:
    return np.nan if value is None else float(value)


def _microseconds(text: str | None) -> int:
    return int(_NO_TIME) if text is None else (parse_instant(text) - _EPOCH) // _MICROSECOND
