"""Deletes collections, finishes interrupted deletions, and finds data of collections without settings.

The settings document is deleted before the data. A deletion writes a note first, so that the next start finishes it; indexes
and images without document and note belong to a lost document, and are put into quarantine.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Protocol

from app.errors import OutOfSpace
from app.ports import Blobs, Locks, VectorStore
from app.services.catalogue.collection_store import CollectionStore, collection_lock, reports_prefix
from app.services.catalogue.images import images_prefix
from app.services.catalogue.indexes import Indexes
from app.services.jobs.jobs import JobService

log = logging.getLogger(__name__)

STOP_SECONDS = 60.0
DELETIONS = "maintenance/deletions/"
"""Key prefix of the notes of deletions that have begun."""


class CollectionData(Protocol):
    """Data that another service stores per collection; it is deleted together with the collection."""

    def owners(self) -> Iterable[str]:
        """Ids of the collections for which data is stored."""
        ...

    def delete(self, collection_id: str) -> None:
        """Delete the data of a collection; nothing happens if there is none."""
        ...


class Deletions:
    """Deletes all that is stored for a collection. data: what else is deleted with a collection."""

    def __init__(
        self,
        *,
        vectors: VectorStore,
        indexes: Indexes,
        blobs: Blobs,
        jobs: JobService,
        data: Sequence[CollectionData],
        locks: Locks,
    ) -> None:
        self._vectors = vectors
        self._indexes = indexes
        self._blobs = blobs
        self._store = CollectionStore(blobs)
        self._jobs = jobs
        self._data = data
        self._locks = locks

    def delete(self, collection_id: str) -> None:
        """Stop the jobs of a collection, then delete it with its vectors, images, schedule and jobs.

        Raises:
            Conflict: one of its jobs does not stop.
        """
        self._jobs.stop_all(collection_id, STOP_SECONDS)
        with self._locks.hold(collection_lock(collection_id)):
            with suppress(OutOfSpace):  # deleting is how to make room; without the note a killed deletion needs `dyad doctor`
                self._blobs.put(_note(collection_id), b"{}")
            self._store.delete(collection_id)
            self._delete_contents(collection_id)
            self._blobs.delete([_note(collection_id)])

    def finish_all(self) -> None:
        """Finish the deletions that a killed process began."""
        for key in list(self._blobs.keys(DELETIONS)):
            self._finish(key.removeprefix(DELETIONS).removesuffix(".json"))

    def finish(self, collection_id: str) -> None:
        """Finish the deletion of a collection if a killed process began it."""
        if self._blobs.exists(_note(collection_id)):
            self._finish(collection_id)

    def garbage(self) -> set[str]:
        """Ids without a settings document for which own indexes, an alias of one, a schedule or queries are stored."""
        owned = self._indexes.owned()
        aliases = {alias for alias, index in self._vectors.aliases().items() if index in owned}
        owners = {owner for each in self._data for owner in each.owners()}
        return {*(index.split(".")[0] for index in owned), *aliases, *owners} - set(self._store.ids())

    def delete_garbage(self, collection_id: str) -> None:
        """Delete the indexes, images and jobs stored for an id, unless it has a settings document by now."""
        with self._locks.hold(collection_lock(collection_id)):
            if not self._store.exists(collection_id):  # else the collection has just been created
                self._delete_contents(collection_id)

    def _finish(self, collection_id: str) -> None:
        with self._locks.hold(collection_lock(collection_id)):
            if not self._store.exists(collection_id):  # else it was killed before the document was deleted
                log.warning("the interrupted deletion of collection %s is finished", collection_id)
                self._delete_contents(collection_id)
            self._blobs.delete([_note(collection_id)])

    def _delete_contents(self, collection_id: str) -> None:
        index = self._vectors.aliases().get(collection_id)
        if index is not None and index not in set(self._vectors.indexes()) - self._indexes.owned():
            self._vectors.drop_alias(collection_id)
        self._indexes.drop_all(collection_id)
        for each in self._data:
            each.delete(collection_id)
        self._blobs.delete_prefix(images_prefix(collection_id))
        self._blobs.delete_prefix(reports_prefix(collection_id))
        self._jobs.delete_all(collection_id)


def _note(collection_id: str) -> str:
    return f"{DELETIONS}{collection_id}.json"
