"""Which collections use which model."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress

from pydantic import ValidationError

from app.domain.collections import Collection
from app.errors import NotFound
from app.ports import Blobs, VectorStore
from app.services.catalogue.collection_store import DOCUMENTS


class ModelUse:
    """Finds the models of all indexes (live, kept or being built) and of all collections' settings."""

    def __init__(self, vectors: VectorStore, blobs: Blobs) -> None:
        self._vectors = vectors
        self._blobs = blobs

    def __call__(self) -> dict[str, list[str]]:
        """Ids of collections, sorted, by model id."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for index in self._vectors.indexes():
            collection, _, version = index.partition(".")
            found[version.rpartition(".")[0]].add(collection)
        for key in self._blobs.keys(DOCUMENTS):
            with suppress(NotFound, ValidationError):  # deleted since it was listed, or damaged and set aside
                settings = Collection.model_validate_json(self._blobs.get(key))
                found[settings.model].add(settings.id)
        return {model: sorted(collections) for model, collections in found.items()}
