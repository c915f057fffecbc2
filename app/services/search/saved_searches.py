"""Saved searches: their documents and images in the blob store, and their index version."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from app.domain.queries.saved_searches import PREFIX, SavedSearch
from app.errors import Damaged, NotFound
from app.ports import Blobs
from app.services.catalogue.collections import CollectionService

SEARCHES = "searches/"
"""Key prefix: `searches/{collection}/{search}.json` and `.image`."""


class SavedSearchStore:
    """The documents of saved searches; they are deleted together with their collection."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def owners(self) -> list[str]:
        """Ids of the collections that have saved searches, sorted."""
        return sorted({key.removeprefix(SEARCHES).partition("/")[0] for key in self._blobs.keys(SEARCHES)})

    def delete(self, collection_id: str) -> None:
        """Delete all saved searches of a collection."""
        self._blobs.delete_prefix(f"{SEARCHES}{collection_id}/")

    def put(self, search: SavedSearch, image: Path | bytes | None) -> None:
        """Store a search: its image first, so that a document never lacks it."""
        if image is not None:
            self._blobs.put(_key(search, ".image"), image)
        self._blobs.put(_key(search, ".json"), search.model_dump_json().encode())

    def remove(self, search: SavedSearch) -> None:
        """Delete a search; nothing happens if it does not exist."""
        self._blobs.delete([_key(search, ".json"), _key(search, ".image")])

    def image(self, search: SavedSearch) -> bytes | None:
        """The uploaded image of a search; None if it has none."""
        return self._blobs.get(_key(search, ".image")) if search.has_image else None

    def find(self, search_id: str) -> SavedSearch | None:
        """A search by its id; None if there is none.

        Raises:
            Damaged: its document cannot be read.
        """
        if not search_id.startswith(PREFIX):
            return None
        collection = search_id.removeprefix(PREFIX).partition("--")[2]
        key = f"{SEARCHES}{collection}/{search_id}.json"
        try:
            return SavedSearch.model_validate_json(self._blobs.get(key))
        except NotFound:
            return None
        except ValidationError:
            raise Damaged(f"saved search {search_id!r}: {key} in the blob store is damaged; save the search again") from None

    def list(self, collection_id: str) -> list[SavedSearch]:
        """The searches of a collection, the newest first."""
        keys = (key for key in self._blobs.keys(f"{SEARCHES}{collection_id}/") if key.endswith(".json"))
        found = [self.find(key.rpartition("/")[2].removesuffix(".json")) for key in keys]
        return sorted((each for each in found if each is not None), key=lambda each: each.created, reverse=True)


class SavedSearchService:
    """Saves, finds and deletes searches."""

    def __init__(self, collections: CollectionService, store: SavedSearchStore) -> None:
        self._collections = collections
        self._store = store

    def save(self, collection_id: str, title: str, query: Mapping[str, Any], image: Path | bytes | None) -> SavedSearch:
        """Save a search on the current index version.

        Raises:
            NotFound: the collection.
        """
        live = self._collections.live(collection_id)
        search = SavedSearch(
            id=f"{PREFIX}{uuid.uuid4().hex[:12]}--{collection_id}",
            collection=collection_id,
            title=title,
            query=dict(query),
            has_image=image is not None,
            model=live.model,
            index_version=live.version,
            created=datetime.now(UTC),
        )
        self._store.put(search, image)
        return search

    def get(self, search_id: str) -> SavedSearch:
        """A saved search.

        Raises:
            NotFound: there is none with this id.
        """
        found = self._store.find(search_id)
        if found is None:
            raise NotFound(f"no saved search {search_id!r}; /collections/{{id}}/searches lists those of a collection")
        return found

    def find(self, search_id: str) -> SavedSearch | None:
        """A saved search; None if there is none with this id."""
        return self._store.find(search_id)

    def list(self, collection_id: str) -> list[SavedSearch]:
        """The saved searches of a collection, the newest first.

        Raises:
            NotFound: the collection.
        """
        self._collections.live(collection_id)
        return self._store.list(collection_id)

    def delete(self, search_id: str) -> None:
        """Delete a saved search.

        Raises:
            NotFound: there is none with this id.
        """
        self._store.remove(self.get(search_id))

    def image(self, search: SavedSearch) -> bytes | None:
        """The uploaded image of a search; None if it has none."""
        return self._store.image(search)

    def version(self, search: SavedSearch) -> str | None:
        """The index version on which a search was saved; None if it is not kept any more: then it runs on the current one."""
        with suppress(NotFound):
            return self._collections.live(search.collection, search.index_version).version
        return None


def _key(search: SavedSearch, suffix: str) -> str:
    return f"{SEARCHES}{search.collection}/{search.id}{suffix}"
