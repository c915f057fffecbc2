"""Suggestions: unlabelled tiles whose labels would teach most, by uncertainty, density and distance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain.tiles import Tile
from app.ports import VectorStore
from app.services.catalogue.collections import CollectionService
from app.services.classes.sample import KEPT, Sample, Samples

MAX_SUGGESTIONS = 100
ANCHORS, NEAREST = 1000, 10
"""Tiles among which the neighbours of a tile are counted, and the number of neighbours."""
LEAST = 0.1
"""Weight of a tile whose class is certain, relative to the most uncertain one: the classifier may be wrong."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A tile to label. value: its rank value relative to the first one, 0..1. label, probability: its most likely label, None
    without labels. none: probability of "none of these", None without labels."""

    tile: Tile
    value: float
    label: str | None
    probability: float | None
    none: float | None


@dataclass(frozen=True, slots=True)
class Suggestions:
    """examined: number of unlabelled tiles among which they were chosen."""

    tiles: tuple[Suggestion, ...]
    examined: int
    model: str
    index_version: str


class SuggestionService:
    """Suggests tiles of the live indexes of collections."""

    def __init__(self, collections: CollectionService, vectors: VectorStore, samples: Samples) -> None:
        self._collections = collections
        self._vectors = vectors
        self._samples = samples
        self._ranked: dict[str, _Ranked] = {}

    def suggest(self, collection_id: str, limit: int) -> Suggestions:
        """At most `limit` tiles, the most useful first. Without labels they are typical and different tiles.

        Raises:
            NotFound: the collection.
        """
        live = self._collections.live(collection_id)
        sample = self._samples.of(live)
        ranked = self._ranked.get(live.index)
        if ranked is None or ranked.sample is not sample:
            ranked = _rank(sample)
            self._ranked = {**dict(list(self._ranked.items())[-KEPT + 1 :]), live.index: ranked}
        rows = ranked.rows[:limit]
        tiles = self._vectors.retrieve(live.index, [sample.other_ids[row] for row in rows])
        found = tuple(
            _suggestion(tile, sample, ranked.probabilities[row], value / ranked.values[0])
            for row, value in zip(rows, ranked.values, strict=False)
            if (tile := tiles.get(sample.other_ids[row])) is not None
        )
        return Suggestions(found, len(sample.others), live.model, live.version)


@dataclass(frozen=True, slots=True, eq=False)
class _Ranked:
    """The suggestions of a sample. rows, values: of `choose`. probabilities: (M, C + 1), of all unlabelled tiles."""

    sample: Sample
    rows: list[int]
    values: list[float]
    probabilities: NDArray[np.float64]


def _rank(sample: Sample) -> _Ranked:
    probabilities = sample.classes.probabilities(sample.others)
    rows, values = choose(sample.others, sample.classes.examples, uncertainty(probabilities), MAX_SUGGESTIONS)
    return _Ranked(sample, rows, values, probabilities)


def uncertainty(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) 1 minus the probability of the most likely class, of (N, C + 1) probabilities; 1 without classes.

    A tile that is clearly of no class is as useful as a tile between classes: its label is a new class.
    """
    return np.asarray(1 - probabilities[:, :-1].max(axis=1, initial=0.0))


def choose(
    rows: NDArray[np.float32], examples: NDArray[np.float32], uncertain: NDArray[np.float64], limit: int
) -> tuple[list[int], list[float]]:
    """Greedily choose rows by uncertainty x density x distance; the rows and their values, best first.

    The density of a row is the mean cosine to its nearest rows, so that outliers are not chosen; its distance is 1 minus the
    greatest cosine to an example and to the rows chosen before.

    rows: (N, D), examples: (L, D) float32, L2-normalised. uncertain: (N,), 0..1.
    """
    if not len(rows):
        return [], []
    weight = (LEAST + (1 - LEAST) * uncertain) * _density(rows)
    closest = (rows @ examples.T).max(axis=1) if len(examples) else np.zeros(len(rows), np.float32)
    chosen: list[int] = []
    values: list[float] = []
    while len(chosen) < min(limit, len(rows)):
        value = weight * np.maximum(1 - closest, 1e-6)
        value[chosen] = -1
        best = int(value.argmax())
        chosen.append(best)
        values.append(float(value[best]))
        closest = np.maximum(closest, rows @ rows[best])
    return chosen, values


def _density(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N,) mean cosine to the nearest of `ANCHORS` rows, 0..1."""
    anchors = rows[:ANCHORS]
    count = min(NEAREST + 1, len(anchors))  # the row itself may be an anchor
    cosines = rows @ anchors.T
    nearest = np.partition(cosines, -count, axis=1)[:, -count:].astype(np.float64)
    return np.asarray(np.maximum(nearest.mean(axis=1), 1e-3))


def _suggestion(tile: Tile, sample: Sample, probabilities: NDArray[np.float64], value: float) -> Suggestion:
    if not sample.labels:
        return Suggestion(tile, value, None, None, None)
    best = int(probabilities[:-1].argmax())
    return Suggestion(tile, value, sample.labels[best], float(probabilities[best]), float(probabilities[-1]))
