"""Class probabilities of a tile, learned from the labels of its collection, "none of these" included."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.errors import NotFound
from app.ports import VectorStore
from app.services.catalogue.collections import CollectionService
from app.services.classes.sample import Sample, Samples
from models.bundle.open_set import OpenSetQuality

NO_LABELS = "no tile of the collection has a label; label tiles of two or more classes"
ONE_LABEL = "only one label exists: tiles of other classes are estimated from unlabelled tiles"
UNFITTED = "too few labelled tiles for a calibration; label three or more tiles of each of two classes"


@dataclass(frozen=True, slots=True)
class ClassProbability:
    """examples: number of tiles with the label that were compared."""

    label: str
    probability: float
    examples: int


@dataclass(frozen=True, slots=True)
class TileClasses:
    """Classes of a tile, the most likely first. quality: measured on left-out examples, None with too few of them."""

    classes: tuple[ClassProbability, ...]
    none: float
    quality: OpenSetQuality | None
    model: str
    index_version: str
    notes: tuple[str, ...]


class ClassService:
    """Classifies tiles of the live indexes of collections."""

    def __init__(self, collections: CollectionService, vectors: VectorStore, samples: Samples) -> None:
        self._collections = collections
        self._vectors = vectors
        self._samples = samples

    def classify(self, collection_id: str, item_id: str) -> TileClasses:
        """The class probabilities of a tile. The labels of a labelled tile and of its place are not used.

        Raises:
            NotFound: the collection or the tile.
        """
        live = self._collections.live(collection_id)
        tile = self._vectors.retrieve(live.index, [item_id]).get(item_id)
        if tile is None:
            raise NotFound(f"no item {item_id!r} in collection {collection_id!r}")
        row = self._vectors.retrieve_vectors(live.index, [item_id]).embedding
        sample = self._samples.of(live)
        probabilities = sample.classes.probabilities(row, np.array([sample.place(item_id)]))[0]
        counts = sample.counts()
        order = np.argsort(-probabilities[:-1], kind="stable")
        found = tuple(
            ClassProbability(sample.labels[column], float(probabilities[column]), counts[sample.labels[column]])
            for column in order.tolist()
        )
        none = float(probabilities[-1]) if found else 1.0
        return TileClasses(found, none, sample.classes.quality, live.model, live.version, _notes(sample))


def _notes(sample: Sample) -> tuple[str, ...]:
    if not sample.labels:
        return (NO_LABELS,)
    if sample.classes.quality is None:
        return (UNFITTED,)
    return (ONE_LABEL,) if len(sample.labels) == 1 else ()
