"""Suggestions: unlabelled tiles whose labels would teach most, by uncertainty, density and distance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain.tiles import Tile
from app.ports import VectorStore
from app.services.catalogue.collections import CollectionService
from app.services.classes.sample import Sample, Samples

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

    def suggest(self, collection_id: str, limit: int) -> Suggestions:
        """At most `limit` tiles, the most useful first. Without labels they are typical and different tiles.

        Raises:
            NotFound: the collection.
        """
        live = self._collections.live(collection_id)
        sample = self._samples.of(live)
        probabilities = sample.classes.probabilities(sample.others)
        rows, values = choose(sample.others, sample.classes.examples, uncertainty(probabilities), min(limit, MAX_SUGGESTIONS))
        tiles = self._vectors.retrieve(live.index, [sample.other_ids[row] for row in rows])
        found = tuple(
            _suggestion(tile, sample, probabilities[row], value / values[0])
            for row, value in zip(rows, values, strict=True)
            if (tile := tiles.get(sample.other_ids[row])) is not None
        )
        return Suggestions(found, len(sample.others), live.model, live.version)


def uncertainty(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) entropy relative to the greatest, 0..1, of (N, C + 1) probabilities; 1 without classes."""
    count = probabilities.shape[1]
    if count < 2:
        return np.ones(len(probabilities))
    entropy = -(probabilities * np.log(np.maximum(probabilities, 1e-12))).sum(axis=1)
    return np.asarray(entropy / np.log(count))


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
