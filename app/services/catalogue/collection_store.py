"""Settings of collections in the blob store; the prefix of their reports, and the name of their write lock."""

from __future__ import annotations

from pydantic import ValidationError

from app.domain.collections import Collection
from app.domain.naming.ids import check_collection_id
from app.errors import Damaged, NotFound
from app.ports import Blobs

DOCUMENTS = "catalogue/"
MAX_NAMED = 10


def reports_prefix(collection_id: str) -> str:
    """The key prefix of the evaluation reports of a collection."""
    return f"reports/{collection_id}/"


class CollectionStore:
    """Reads and writes the settings of collections, one JSON document each."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._known: dict[str, tuple[str, Collection]] = {}
        """The last settings that were read, with their tag."""

    def ids(self) -> list[str]:
        """Ids of all collections, sorted."""
        keys = (key for key in self._blobs.keys(DOCUMENTS) if key.endswith(".json"))
        return sorted(key.removeprefix(DOCUMENTS).removesuffix(".json") for key in keys)

    def exists(self, collection_id: str) -> bool:
        """Whether there is such a collection."""
        return self._blobs.exists(document_key(collection_id))

    def get(self, collection_id: str) -> Collection:
        """The settings of a collection. Unchanged ones are not parsed again.

        Raises:
            NotFound: no such collection. Damaged: the document cannot be read.
        """
        check_collection_id(collection_id)
        tag, known = self._known.get(collection_id, (None, None))
        try:
            changed = self._blobs.get_changed(document_key(collection_id), tag)
            if changed is None and known is not None:
                return known
            collection = None if changed is None else Collection.model_validate_json(changed[0])
        except NotFound:
            self._known.pop(collection_id, None)
            raise self.missing(collection_id) from None
        except ValidationError:
            changed = collection = None
        if collection is None or collection.id != collection_id:
            raise Damaged(
                f"collection {collection_id!r} is set aside: {document_key(collection_id)} in the blob store is damaged; "
                "restore the file from a backup, or run `dyad doctor --repair`"
            )
        if changed is not None:
            self._known[collection_id] = changed[1], collection
        return collection

    def put(self, collection: Collection) -> None:
        """Write settings, atomically."""
        self._known.pop(collection.id, None)
        self._blobs.put(document_key(collection.id), collection.model_dump_json().encode())

    def delete(self, collection_id: str) -> None:
        """Delete the settings; nothing happens if there are none."""
        self._known.pop(collection_id, None)
        self._blobs.delete([document_key(collection_id)])

    def missing(self, collection_id: str) -> NotFound:
        """The error for a collection that does not exist; it names the existing ones."""
        known = self.ids()
        names = ", ".join(known[:MAX_NAMED]) + (", ..." if len(known) > MAX_NAMED else "")
        return NotFound(f"no collection {collection_id!r}; {'available: ' + names if known else 'none exists yet: create one'}")


def document_key(collection_id: str) -> str:
    """The key of a collection's settings."""
    return f"{DOCUMENTS}{collection_id}.json"


def collection_lock(collection_id: str) -> str:
    """The name of the write lock of a collection."""
    return f"collection:{collection_id}"
