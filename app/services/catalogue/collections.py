"""Collections: create, list, read, patch, delete.

A collection exists exactly when its settings document exists. The index is created before the document and dropped after it, so
a crash leaves at most an index or images without a document.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.domain.collections import Collection
from app.domain.indexes import Live
from app.domain.naming.ids import check_collection_id
from app.domain.places.geometry import Bounds
from app.domain.temporal import Interval
from app.errors import Conflict, Damaged, NotFound, Unavailable
from app.ports import Blobs, Locks, VectorStore
from app.services.catalogue.collection_settings import shaping_changes, validated
from app.services.catalogue.collection_store import CollectionStore, collection_lock, document_key
from app.services.catalogue.deletions import Deletions
from app.services.catalogue.indexes import Indexes
from app.services.catalogue.models import ModelService
from models.bundle.card import ModelCard

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """A collection with the size, dimension and extent of its live index. built_at: when that index was completed."""

    collection: Collection
    size: int
    dimension: int
    live: Live
    built_at: datetime
    bounds: Bounds | None
    interval: Interval | None


class CollectionService:
    """The collections and their live indexes."""

    def __init__(
        self,
        *,
        vectors: VectorStore,
        indexes: Indexes,
        blobs: Blobs,
        models: ModelService,
        deletions: Deletions,
        locks: Locks,
    ) -> None:
        self._vectors = vectors
        self._indexes = indexes
        self._store = CollectionStore(blobs)
        self._models = models
        self._deletions = deletions
        self._locks = locks

    def create(self, collection_id: str, **settings: Any) -> CollectionInfo:
        """Create a collection. settings: fields of `Collection`; the model is the active one unless named.

        Raises:
            InvalidInput: the id. Conflict: it exists. Unprocessable: a setting. ModelMismatch, NotFound: the model.
        """
        check_collection_id(collection_id)
        self._refuse_existing(collection_id)
        settings["follows_active"] = not settings.get("model")
        settings["model"] = settings.get("model") or self._models.default().id
        settings["stride"] = settings.get("stride") or settings.get("tile_size") or Collection.model_fields["tile_size"].default
        now = datetime.now(UTC)
        collection = validated({"id": collection_id, "created": now, "updated": now, **settings})
        with self._locks.hold(collection_lock(collection_id)), self._models.keeping():
            self._refuse_existing(collection_id)  # another process may have created it before the lock was taken
            self._refuse_lost(collection_id)
            card = self._models.check_fit(collection.model, collection.bands)
            self._vectors.set_alias(collection_id, self._empty_index(collection_id, card))
            self._store.put(collection)
        return self.info(collection_id)

    def ids(self) -> list[str]:
        """Ids of all collections, sorted."""
        return self._store.ids()

    def exists(self, collection_id: str) -> bool:
        """Whether there is such a collection, damaged or not."""
        return self._store.exists(collection_id)

    def get(self, collection_id: str) -> Collection:
        """The settings of a collection.

        Raises:
            NotFound: no such collection. Damaged: its document cannot be read.
        """
        return self._store.get(collection_id)

    def live(self, collection_id: str, version: str | None = None) -> Live:
        """The live index of a collection, or the index of a version that is kept.

        Raises:
            NotFound: no such collection, or no index of that version. Damaged: the live index is not known.
        """
        index = self._vectors.aliases().get(collection_id)
        if index is None and not self._store.exists(collection_id):
            raise self._store.missing(collection_id)
        if index is None:
            raise Damaged(
                f"collection {collection_id!r} is set aside: the vector store does not name its live index; run "
                "`dyad doctor --repair`, which finds it among its indexes"
            )
        live = Live.of(index)
        if version is None or version == live.version:
            return live
        kept = {record.name.version: record.name for record in self._indexes.whole(collection_id)}
        if version not in kept:
            names = ", ".join(sorted({live.version, *kept}))
            raise NotFound(f"collection {collection_id!r} has no index version {version!r}; available: {names}")
        return kept[version]

    @contextmanager
    def writing(self, collection_id: str) -> Iterator[Live]:
        """Hold the write lock of a collection and return its live index, to which points are written within the block.

        No process switches the live index during the block. Keep the block short: a collection has one writer at a time. The
        thread that holds the lock may enter again.

        Raises:
            NotFound: no such collection. Busy: other writers hold the lock for too long. Unavailable: the lock was lost within
                the block, so the points may be missing from the live index; write them again.
        """
        self.live(collection_id)
        with self._locks.hold(collection_lock(collection_id)) as held:
            yield self.live(collection_id)
            if held.has_lapsed:
                raise Unavailable(f"collection {collection_id!r}: the write lock was lost during the write; try again")

    def switch(self, collection_id: str, index: str) -> Live:
        """Make another index of the collection the live one, and store its model in the settings.

        The alias is switched before the settings are written; after a kill in between, switch again.

        Raises:
            NotFound: no such collection or index.
        """
        with self.writing(collection_id):
            self._vectors.set_alias(collection_id, index)
            live = Live.of(index)
            self.set_model(collection_id, live.model)
            return live

    def set_model(self, collection_id: str, model: str) -> None:
        """Store the model that the collection should have. Another model than the active one ends `follows_active`.

        Raises:
            NotFound: no such collection.
        """
        collection = self.get(collection_id)
        follows = collection.follows_active and model == self._models.default().id
        if (model, follows) != (collection.model, collection.follows_active):
            changes = {"model": model, "follows_active": follows, "updated": datetime.now(UTC)}
            self._store.put(collection.model_copy(update=changes))

    def wanted_model(self, collection: Collection) -> str:
        """Id of the model that the collection's index should have."""
        return self._models.default().id if collection.follows_active else collection.model

    def info(self, collection_id: str) -> CollectionInfo:
        """The settings of a collection with the size, extent and version of its index.

        Raises:
            NotFound: no such collection.
        """
        collection = self.get(collection_id)
        live = self.live(collection_id)
        stats, extent = self._vectors.stats(live.index), self._vectors.extent(live.index)
        record = self._indexes.record(live.index)
        built_at = record.built_at if record is not None and record.built_at is not None else collection.created
        return CollectionInfo(collection, stats.size, stats.dimension, live, built_at, extent.bounds, extent.interval)

    def infos(self) -> list[CollectionInfo]:
        """`info` of all collections except those that are set aside because their data is damaged."""
        found = []
        for collection_id in self.ids():
            try:
                found.append(self.info(collection_id))
            except Damaged as error:
                log.error("%s", error)
            except NotFound:  # deleted since it was listed
                continue
        return found

    def patch(self, collection_id: str, **changes: Any) -> CollectionInfo:
        """Change settings. `tile_size`, `stride`, `bands`, `scaling` and `model` can change only while the collection is empty.

        Raises:
            NotFound, Unprocessable, ModelMismatch: as in `create`. Conflict: the collection holds tiles already.
        """
        if changes.get("model"):
            changes.setdefault("follows_active", False)
        with self.writing(collection_id):
            before = self.get(collection_id)
            after = validated({**before.model_dump(), **changes, "updated": datetime.now(UTC)})
            shaping = shaping_changes(before, after)
            if shaping:
                self._reshape(before, after, shaping)
            self._store.put(after)
        return self.info(collection_id)

    def delete(self, collection_id: str) -> None:
        """Stop the jobs of a collection, then delete it with its vectors, images, schedule and jobs.

        Raises:
            NotFound: no such collection. Conflict: one of its jobs does not stop.
        """
        if not self._store.exists(collection_id):
            raise self._store.missing(collection_id)
        self._deletions.delete(collection_id)

    def _refuse_existing(self, collection_id: str) -> None:
        if self._store.exists(collection_id):
            raise Conflict(f"collection {collection_id!r} exists already; choose another id, or add tiles to it")

    def _refuse_lost(self, collection_id: str) -> None:
        """Finish a killed deletion of a collection with this id; refuse the id while tiles of a lost collection are stored."""
        self._deletions.finish(collection_id)
        left = [index for index in self._indexes.owned() if index.startswith(f"{collection_id}.")]
        if any(self._vectors.stats(index).size for index in left):
            raise Conflict(
                f"collection {collection_id!r} exists, but {document_key(collection_id)} is missing in the blob store: restore "
                "the file, or run `dyad doctor --repair` to write it again, or `dyad doctor --delete-quarantined`"
            )

    def _reshape(self, before: Collection, after: Collection, changed: list[str]) -> None:
        old = self.live(before.id).index
        if self._vectors.stats(old).size:
            remedy = (
                "re-index it with the other model"
                if changed == ["model"]
                else "create another collection with the new settings"
            )
            names = ", ".join(changed)
            raise Conflict(f"collection {before.id!r} holds tiles, so {names} cannot be changed; {remedy}")
        with self._models.keeping():
            card = self._models.check_fit(after.model, after.bands)
            if after.model != before.model:
                self._vectors.set_alias(before.id, self._empty_index(before.id, card))
                self._indexes.drop(old)

    def _empty_index(self, collection_id: str, card: ModelCard) -> str:
        index = self._indexes.begin(collection_id, card.id)
        self._vectors.create_index(index, card.dimension)
        self._indexes.finish(index)
        return index
