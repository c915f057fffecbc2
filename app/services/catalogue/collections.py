"""Collections: create, list, read, patch, delete.

A collection exists exactly when its settings document does. Its index is made before the document and dropped after it, so a
crash leaves at most an index or images that nobody names, which `sweep` removes at the next start.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from pydantic import ValidationError

from app.domain.collections import Collection
from app.domain.geometry import Bounds
from app.domain.ids import check_collection_id
from app.domain.indexes import Live
from app.domain.temporal import Interval
from app.errors import Conflict, FieldError, InvalidInput, NotFound, Unavailable, Unprocessable
from app.ports import Blobs, Locks, VectorStore
from app.services.catalogue.collection_store import CollectionStore, reports_prefix
from app.services.catalogue.images import images_prefix
from app.services.catalogue.indexes import RECORDS, Indexes
from app.services.catalogue.models import ModelService
from app.services.jobs.jobs import JobService
from models.bundle.card import ModelCard

log = logging.getLogger(__name__)

STOP_SECONDS = 60.0
SHAPING = ("tile_size", "stride", "bands", "scaling", "model")


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """A collection with what its live index knows."""

    collection: Collection
    size: int
    dimension: int
    live: Live
    built_at: datetime
    bounds: Bounds | None
    interval: Interval | None


class Belongings(Protocol):
    """What other services keep of collections under the collection's id: it is deleted together with the collection."""

    def owners(self) -> Iterable[str]:
        """Ids of the collections that something is kept of."""
        ...

    def forget(self, collection_id: str) -> None:
        """Delete what is kept of a collection; nothing happens if there is nothing."""
        ...


class CollectionService:
    """The collections and their live indexes. belongings: what else is deleted with a collection."""

    def __init__(
        self,
        vectors: VectorStore,
        indexes: Indexes,
        blobs: Blobs,
        jobs: JobService,
        models: ModelService,
        belongings: Sequence[Belongings],
        locks: Locks,
    ) -> None:
        self._vectors = vectors
        self._indexes = indexes
        self._blobs = blobs
        self._store = CollectionStore(blobs)
        self._jobs = jobs
        self._models = models
        self._belongings = belongings
        self._locks = locks

    def create(self, collection_id: str, **settings: Any) -> CollectionInfo:
        """Create a collection; `settings` are fields of `Collection`, the model the default one unless named.

        Raises:
            InvalidInput: the id. Conflict: it exists. Unprocessable: a setting. ModelMismatch, NotFound: the model.
        """
        check_collection_id(collection_id)
        self._refuse_existing(collection_id)
        settings["follows_active"] = not settings.get("model")
        settings["model"] = settings.get("model") or self._models.default().id
        settings["stride"] = settings.get("stride") or settings.get("tile_size") or Collection.model_fields["tile_size"].default
        now = datetime.now(UTC)
        collection = _validated({"id": collection_id, "created": now, "updated": now, **settings})
        with self._locks.hold(_lock(collection_id)), self._models.keeping():
            self._refuse_existing(collection_id)  # another process may have been quicker
            card = self._models.check_fit(collection.model, collection.bands)
            self._vectors.set_alias(collection_id, self._empty_index(collection_id, card))
            self._store.put(collection)
        return self.info(collection_id)

    def ids(self) -> list[str]:
        """Ids of all collections, sorted."""
        return self._store.ids()

    def get(self, collection_id: str) -> Collection:
        """The settings of a collection.

        Raises:
            NotFound: no such collection.
        """
        return self._store.get(collection_id)

    def live(self, collection_id: str, version: str | None = None) -> Live:
        """The index that answers, or an older one that is still kept.

        Raises:
            NotFound: no such collection, or no index of that version.
        """
        try:
            live = Live.of(self._vectors.aliases()[collection_id])
        except KeyError:
            raise self._store.missing(collection_id) from None
        if version is None or version == live.version:
            return live
        kept = {record.name.version: record.name for record in self._indexes.whole(collection_id)}
        if version not in kept:
            names = ", ".join(sorted({live.version, *kept}))
            raise NotFound(f"collection {collection_id!r} has no index version {version!r}; kept are {names}")
        return kept[version]

    @contextmanager
    def writing(self, collection_id: str) -> Iterator[Live]:
        """Whoever writes points does it in this block, into the index that it gives: no switch can come in between.

        Keep it short: one writer a collection at a time. It may be entered again by the thread that is in it.

        Raises:
            NotFound: no such collection. Busy: others write all the while. Unavailable: the lock was lost within the block, so
                that what was written may have missed the live index; write it again.
        """
        self.live(collection_id)
        with self._locks.hold(_lock(collection_id)) as held:
            yield self.live(collection_id)
            if held.has_lapsed:
                raise Unavailable(f"collection {collection_id!r}: the write lock was lost meanwhile; try again")

    def switch(self, collection_id: str, index: str) -> Live:
        """Make another index of the collection the live one, and its model the wanted one.

        The alias is switched before the settings are written: a kill in between is mended by switching again.

        Raises:
            NotFound: no such collection or index.
        """
        with self.writing(collection_id):
            self._vectors.set_alias(collection_id, index)
            live = Live.of(index)
            self.want(collection_id, live.model)
            return live

    def want(self, collection_id: str, model: str) -> None:
        """Note the model that the collection is to have; it follows the active one only as long as it has it.

        Raises:
            NotFound: no such collection.
        """
        collection = self.get(collection_id)
        follows = collection.follows_active and model == self._models.default().id
        if (model, follows) != (collection.model, collection.follows_active):
            changes = {"model": model, "follows_active": follows, "updated": datetime.now(UTC)}
            self._store.put(collection.model_copy(update=changes))

    def wanted_model(self, collection: Collection) -> str:
        """The id of the model that the collection's index should be of."""
        return self._models.default().id if collection.follows_active else collection.model

    def info(self, collection_id: str) -> CollectionInfo:
        """The settings with size, extent and index.

        Raises:
            NotFound: no such collection.
        """
        collection = self.get(collection_id)
        live = self.live(collection_id)
        stats, extent = self._vectors.stats(live.index), self._vectors.extent(live.index)
        record = self._indexes.record(live.index)
        built_at = record.built_at if record is not None and record.built_at is not None else collection.created
        return CollectionInfo(collection, stats.size, stats.dimension, live, built_at, extent.bounds, extent.interval)

    def patch(self, collection_id: str, **changes: Any) -> CollectionInfo:
        """Change settings. What shaped the tiles (`tile_size`, `stride`, `bands`, `scaling`, `model`) only while it is empty.

        Raises:
            NotFound, Unprocessable, ModelMismatch: as in `create`. Conflict: the collection holds tiles already.
        """
        if changes.get("model"):
            changes.setdefault("follows_active", False)
        with self.writing(collection_id):
            before = self.get(collection_id)
            after = _validated({**before.model_dump(), **changes, "updated": datetime.now(UTC)})
            shaping = [name for name in SHAPING if getattr(after, name) != getattr(before, name)]
            if shaping:
                self._reshape(before, after, shaping)
            self._store.put(after)
        return self.info(collection_id)

    def delete(self, collection_id: str) -> None:
        """Stop its jobs, then remove the collection with its vectors, images, schedule and jobs.

        Raises:
            NotFound: no such collection. Conflict: a job of it does not stop.
        """
        self.get(collection_id)
        self._jobs.stop_all(collection_id, STOP_SECONDS)
        with self._locks.hold(_lock(collection_id)):
            self._store.delete(collection_id)
            self._remove_leftovers(collection_id)

    def sweep(self) -> None:
        """Remove what a crash left of collections that have no document."""
        for name in self.strays():
            self.remove_stray(name)

    def strays(self) -> set[str]:
        """Names of collections that have no document, yet indexes, an alias or a schedule."""
        indexed = {index.split(".")[0] for index in self._vectors.indexes()}
        known = set(self.ids())
        if self._vectors.aliases() and not known and next(self._blobs.keys(RECORDS), None) is None:
            log.error("the blobs are empty, yet there are indexes: nothing is swept; is DYAD_BLOBS_URL the right one?")
            return set()
        owners = {owner for each in self._belongings for owner in each.owners()}
        return {*indexed, *self._vectors.aliases(), *owners} - known

    def remove_stray(self, collection_id: str) -> None:
        """Remove the indexes, images and jobs of a collection unless it has a document by now."""
        with self._locks.hold(_lock(collection_id)):
            if not self._store.exists(collection_id):  # else it is just being made
                self._remove_leftovers(collection_id)

    def _refuse_existing(self, collection_id: str) -> None:
        if self._store.exists(collection_id):
            raise Conflict(f"collection {collection_id!r} exists already; choose another id or add to it")

    def _reshape(self, before: Collection, after: Collection, changed: list[str]) -> None:
        old = self.live(before.id).index
        if self._vectors.stats(old).size:
            way = (
                "re-index it with the other model"
                if changed == ["model"]
                else "create another collection with the new settings"
            )
            raise Conflict(f"collection {before.id!r} holds tiles that were made with its {', '.join(changed)}; {way}")
        with self._models.keeping():
            card = self._models.check_fit(after.model, after.bands)
            if after.model != before.model:
                self._vectors.set_alias(before.id, self._empty_index(before.id, card))
                self._indexes.drop(old)

    def _remove_leftovers(self, collection_id: str) -> None:
        self._vectors.drop_alias(collection_id)
        self._indexes.forget(collection_id)
        for each in self._belongings:
            each.forget(collection_id)
        self._blobs.delete_prefix(images_prefix(collection_id))
        self._blobs.delete_prefix(reports_prefix(collection_id))
        self._jobs.forget_all(collection_id)

    def _empty_index(self, collection_id: str, card: ModelCard) -> str:
        index = self._indexes.begin(collection_id, card.id)
        self._vectors.create_index(index, card.dimension)
        self._indexes.finish(index)
        return index


def _lock(collection_id: str) -> str:
    return f"collection:{collection_id}"


def _validated(values: dict[str, Any]) -> Collection:
    try:
        collection = Collection.model_validate(values)
    except ValidationError as error:
        errors = [FieldError(".".join(map(str, e["loc"])), e["msg"].removeprefix("Value error, ")) for e in error.errors()]
        raise Unprocessable("; ".join(f"{e.loc}: {e.message}" if e.loc else e.message for e in errors), errors) from None
    if collection.stride > collection.tile_size:
        raise InvalidInput(
            f"stride {collection.stride} is above tile_size {collection.tile_size}: pixels between tiles would be lost"
        )
    return collection
