"""Vectors on a Qdrant server: a collection per index, the server's own aliases."""

from __future__ import annotations

import threading

from qdrant_client import QdrantClient, models
from typing_extensions import override

from app.errors import Conflict, NotFound
from app.stores.indexes import IndexedStore
from app.stores.payload import DATETIME_INDEX, FLOAT_INDEXES, GEO_INDEX, KEYWORD_INDEXES
from app.stores.qdrant_index import QdrantIndex, translated


class QdrantVectorStore(IndexedStore):
    """`VectorStore` over `qdrant-client`; `QdrantClient(":memory:")` serves tests in one thread.

    prefix: begins all names, because collections and aliases share one space of names with whatever else the server keeps.
    """

    def __init__(self, client: QdrantClient, *, prefix: str = "dyad") -> None:
        self._client = client
        self._of_index = f"{prefix}.index."
        self._of_alias = f"{prefix}.alias."
        self._lock = threading.Lock()
        self._known: dict[str, QdrantIndex] = {}

    @override
    def create_index(self, index: str, dimension: int) -> None:
        name = self._of_index + index
        with translated():
            if self._client.collection_exists(name):
                raise Conflict(f"index {index!r} exists already")
            vectors = models.VectorParams(size=dimension, distance=models.Distance.COSINE)
            self._client.create_collection(name, vectors_config=vectors)
            kinds = dict.fromkeys(KEYWORD_INDEXES, models.PayloadSchemaType.KEYWORD)
            kinds |= dict.fromkeys(FLOAT_INDEXES, models.PayloadSchemaType.FLOAT)
            kinds |= {DATETIME_INDEX: models.PayloadSchemaType.DATETIME, GEO_INDEX: models.PayloadSchemaType.GEO}
            for key, kind in kinds.items():
                self._client.create_payload_index(name, key, kind, wait=True)

    @override
    def drop_index(self, index: str) -> None:
        with self._lock:
            self._known.pop(index, None)
        pointing = [alias for alias, target in self.aliases().items() if target == index]
        for alias in pointing:
            self.drop_alias(alias)
        with translated():
            self._client.delete_collection(self._of_index + index)

    @override
    def indexes(self) -> list[str]:
        with translated():
            names = [collection.name for collection in self._client.get_collections().collections]
        return sorted(name.removeprefix(self._of_index) for name in names if name.startswith(self._of_index))

    @override
    def set_alias(self, alias: str, index: str) -> None:
        self._index(index)
        create = models.CreateAlias(collection_name=self._of_index + index, alias_name=self._of_alias + alias)
        changes: list[models.AliasOperations] = [models.CreateAliasOperation(create_alias=create)]
        if alias in self.aliases():
            changes.insert(0, self._deletion(alias))
        with translated():
            self._client.update_collection_aliases(changes)

    @override
    def drop_alias(self, alias: str) -> None:
        if alias in self.aliases():
            with translated():
                self._client.update_collection_aliases([self._deletion(alias)])

    @override
    def aliases(self) -> dict[str, str]:
        with translated():
            found = self._client.get_aliases().aliases
        return {
            entry.alias_name.removeprefix(self._of_alias): entry.collection_name.removeprefix(self._of_index)
            for entry in found
            if entry.alias_name.startswith(self._of_alias)
        }

    @override
    def ping(self) -> None:
        with translated():
            self._client.get_collections()

    @override
    def close(self) -> None:
        self._client.close()

    @override
    def _index(self, index: str) -> QdrantIndex:
        with self._lock:
            known = self._known.get(index)
        if known is not None:
            return known
        with translated():
            if not self._client.collection_exists(self._of_index + index):
                raise NotFound(f"no index {index!r}; there are: {', '.join(self.indexes()) or 'none'}")
            parameters = self._client.get_collection(self._of_index + index).config.params.vectors
        if not isinstance(parameters, models.VectorParams):
            raise NotFound(f"collection {self._of_index}{index} on the server is not one of this service's indexes")
        with self._lock:
            return self._known.setdefault(index, QdrantIndex(self._client, self._of_index + index, parameters.size))

    def _deletion(self, alias: str) -> models.DeleteAliasOperation:
        return models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=self._of_alias + alias))
