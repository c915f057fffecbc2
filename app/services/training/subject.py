"""The subject of a training or an evaluation: a collection, its live index and model, and its classes."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.collections import Collection
from app.domain.indexes import Live
from app.errors import InvalidInput
from app.imagery.tiling.tiler import CutSpec
from app.ports import Blobs, VectorStore
from app.services.catalogue.collections import CollectionService
from app.services.catalogue.models import ModelService
from app.services.catalogue.tile_settings import cut_spec
from app.services.training.classes import Classes, check_classes, find_classes
from app.services.training.stored_pixels import StoredPixels
from app.services.training.training_files import TrainingFiles
from models.bundle.card import ModelCard


@dataclass(frozen=True, slots=True)
class Subject:
    """A collection to train on. card: of the live index's model. spec: how files are cut for it."""

    collection: Collection
    live: Live
    card: ModelCard
    classes: Classes
    spec: CutSpec


class Subjects:
    """Reads collections for training and evaluation."""

    def __init__(
        self, collections: CollectionService, models: ModelService, vectors: VectorStore, blobs: Blobs, max_pixels: int
    ) -> None:
        self._collections = collections
        self._models = models
        self._vectors = vectors
        self._blobs = blobs
        self._max_pixels = max_pixels

    def of(self, collection_id: str) -> Subject:
        """The current state of a collection.

        Raises:
            NotFound: no such collection. InvalidInput: it has no tiles, or too few labels.
        """
        collection = self._collections.get(collection_id)
        live = self._collections.live(collection_id)
        card = self._models.card(live.model)
        if not self._vectors.stats(live.index).size:
            raise InvalidInput(f"collection {collection_id!r} has no tiles; index images and label some of them first")
        classes = find_classes(self._vectors, live.index)
        check_classes(collection_id, classes)
        return Subject(collection, live, card, classes, cut_spec(collection, card, self._max_pixels))

    def files(self, subject: Subject) -> TrainingFiles:
        """The writer of the subject's arrays."""
        return TrainingFiles(self._vectors, subject.live.index, subject.card, StoredPixels(self._blobs, subject.spec))
