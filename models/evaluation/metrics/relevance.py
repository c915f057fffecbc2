"""Relevance of items to queries: they share a label, and the item is not the query itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.evaluation.errors import EvaluationError
from models.evaluation.metrics.ranking import Indices, RankedChunk, Ranks, ranks_of


@dataclass(frozen=True, slots=True)
class LabelSets:
    """Labels of N items, any number each. names: of the C labels. flags: (N, C) bool."""

    names: Sequence[str]
    flags: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.flags)

    def take(self, rows: NDArray[np.integer[Any]]) -> LabelSets:
        """Labels of some of the items."""
        return LabelSets(self.names, self.flags[rows])


Labels = ArrayLike | LabelSets
"""One label per item, or label sets."""


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Labels as numbers: item i has `values[starts[i] : starts[i + 1]]`, ascending."""

    values: NDArray[np.intp]
    starts: NDArray[np.intp]

    @classmethod
    def single(cls, values: NDArray[np.intp]) -> _Numbers:
        return cls(values, np.arange(len(values) + 1))

    @classmethod
    def of_flags(cls, flags: NDArray[np.bool_]) -> _Numbers:
        return cls(np.nonzero(flags)[1], np.concatenate([[0], np.cumsum(flags.sum(axis=1))]))

    @property
    def owners(self) -> NDArray[np.intp]:
        """The item of each value."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    def of(self, item: int) -> NDArray[np.intp]:
        return self.values[self.starts[item] : self.starts[item + 1]]

    def flags(self, items: NDArray[np.intp], labels: int) -> NDArray[np.bool_]:
        """(M, labels) bool, of (M,) items."""
        flags = np.zeros((len(items), labels), dtype=np.bool_)
        counts = self.starts[items + 1] - self.starts[items]
        rows = np.repeat(np.arange(len(items)), counts)
        offsets = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        flags[rows, self.values[self.starts[items][rows] + offsets]] = True
        return flags


@dataclass(frozen=True, slots=True)
class Relevance:
    """names: (C,), all labels. wanted, stored: of the queries and the items. members: for each label its items. own: (Q,), the
    row of the database that each query is, or None."""

    names: NDArray[Any]
    wanted: _Numbers
    stored: _Numbers
    members: tuple[NDArray[np.intp], ...]
    own: Indices | None

    @property
    def queries(self) -> int:
        """Number of queries."""
        return len(self.wanted.starts) - 1

    def of(self, query: int) -> NDArray[np.intp]:
        """(G,) rows of the items relevant to a query, ascending."""
        parts = [self.members[label] for label in self.wanted.of(query)]
        found = parts[0] if len(parts) == 1 else np.unique(np.concatenate([*parts, np.zeros(0, np.intp)]))
        return found if self.own is None else np.asarray(found[found != self.own[query]])

    def is_relevant(self, query: int, items: NDArray[np.intp]) -> NDArray[np.bool_]:
        """(M,) bool: whether some items are relevant to a query."""
        wanted = self.wanted.of(query)
        if len(self.stored.values) == len(self.stored.starts) - 1 and len(wanted) == 1:  # one label each
            return np.asarray(self.stored.values[items] == wanted[0])
        return np.asarray(self.stored.flags(items, len(self.names))[:, wanted].any(axis=1))

    def ranks(self, chunk: RankedChunk) -> Iterator[tuple[int, Ranks]]:
        """The queries of a chunk with relevant items, and the ranks of these items."""
        for query, (distance, order) in enumerate(zip(chunk.distances, chunk.ordered, strict=True), chunk.start):
            relevant = self.of(query)
            if len(relevant):
                yield query, ranks_of(distance, order, relevant)

    def votes_right(self, start: int, places: NDArray[np.intp]) -> int:
        """Number of queries from `start` on that have the majority label of their items; ties go to the nearest item's.

        places: (Q, K) rows of the database, nearest first.
        """
        count, depth = places.shape
        flags = self.stored.flags(places.ravel(), len(self.names)).reshape(count, depth, -1)
        score = flags.sum(axis=1) * (depth + 1) - flags.argmax(axis=1)  # more items first, then the nearest
        voted = np.where(flags.any(axis=(1, 2)), score.argmax(axis=1), -1)
        return sum(int(label in self.wanted.of(query)) for query, label in enumerate(voted, start))

    def by_label(self, values: NDArray[np.float64]) -> dict[str, float]:
        """The mean over the queries of each label of (Q,) values; NaN is left out."""
        owners, known = self.wanted.owners, ~np.isnan(values)
        found = ((label, values[rows[known[rows]]]) for label, rows in _grouped(self.wanted.values, owners))
        return {str(self.names[label]): float(each.mean()) for label, each in found if len(each)}


def relevance(query_labels: Labels, database_labels: Labels, queries: int, items: int, own: Indices | None) -> Relevance:
    """Relevance from the labels of Q queries and N items.

    Raises:
        EvaluationError: the numbers of labels differ from Q and N, or the label sets have other names.
    """
    names, wanted, stored = _numbers(query_labels, database_labels, queries, items)
    owners = stored.owners
    members: list[NDArray[np.intp]] = [np.zeros(0, np.intp)] * len(names)
    for label, rows in _grouped(stored.values, owners):
        members[label] = rows
    return Relevance(names, wanted, stored, tuple(members), own)


def _numbers(
    query_labels: Labels, database_labels: Labels, queries: int, items: int
) -> tuple[NDArray[Any], _Numbers, _Numbers]:
    if isinstance(query_labels, LabelSets) and isinstance(database_labels, LabelSets):
        shapes = (query_labels.flags.shape, database_labels.flags.shape)
        if list(query_labels.names) != list(database_labels.names) or shapes != tuple(
            (count, len(query_labels.names)) for count in (queries, items)
        ):
            raise EvaluationError(f"label sets of shape {shapes[0]} and {shapes[1]} for {queries} queries and {items} items")
        sides = (_Numbers.of_flags(query_labels.flags), _Numbers.of_flags(database_labels.flags))
        return np.asarray(query_labels.names), *sides
    if isinstance(query_labels, LabelSets) or isinstance(database_labels, LabelSets):
        raise EvaluationError("queries and items must both have sets of labels, or both one label each")
    wanted, stored = np.asarray(query_labels), np.asarray(database_labels)
    if wanted.shape != (queries,) or stored.shape != (items,):
        raise EvaluationError(f"labels of shape {wanted.shape} and {stored.shape} for {queries} queries and {items} items")
    names, numbers = np.unique(np.concatenate([wanted, stored]), return_inverse=True)
    return names, _Numbers.single(numbers[:queries]), _Numbers.single(numbers[queries:])


def _grouped(values: NDArray[np.intp], owners: NDArray[np.intp]) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Each distinct value, ascending, with its owners, ascending."""
    order = np.argsort(values, kind="stable")
    found, starts = np.unique(values[order], return_index=True)
    for label, rows in zip(found, np.split(owners[order], starts[1:]), strict=True):
        yield int(label), rows
