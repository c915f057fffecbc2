"""The vector store on a Qdrant server or cluster: a collection per index, with the server's aliases, shards and replicas."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from typing import Any

import httpx
from qdrant_client import QdrantClient, models
from typing_extensions import override

from app.errors import Conflict, NotFound
from app.ports.wait_limit import limited_wait
from app.stores.vectors.indexed_store import IndexedStore
from app.stores.vectors.qdrant.calls import Calls
from app.stores.vectors.qdrant.format import add_fields, check_server, format_of, metadata, open_collection, owner_of
from app.stores.vectors.qdrant.options import QdrantOptions
from app.stores.vectors.qdrant.qdrant_index import QdrantIndex

_CONNECTIONS = httpx.Limits(max_connections=64, max_keepalive_connections=16)


def connect(url: str, *, api_key: str = "", grpc_port: int = 0, timeout: int = 10) -> QdrantClient:
    """Create a client, which connects on first use. grpc_port: 0 for REST only. timeout: seconds to wait for an answer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a key over plain HTTP: the operator decides that
        return QdrantClient(
            url=url,
            api_key=api_key or None,
            prefer_grpc=grpc_port > 0,
            grpc_port=grpc_port or 6334,
            timeout=timeout,
            check_compatibility=False,  # `check_server` does, with an error that names the solution
            limits=_CONNECTIONS,
        )


class QdrantVectorStore(IndexedStore):
    """`VectorStore` over `qdrant-client`.

    Collections and aliases share one namespace with other users of the server: all names of Dyad start with `options.prefix`.
    """

    def __init__(self, client: QdrantClient, options: QdrantOptions | None = None) -> None:
        self._client = client
        self._options = options or QdrantOptions()
        self._calls = Calls(self._options.patience)
        self._of_index = f"{self._options.prefix}.index."
        self._of_alias = f"{self._options.prefix}.alias."
        self._lock = threading.Lock()
        self._known: dict[str, QdrantIndex] = {}
        self._is_checked = False
        self._installation = ""
        self._owners: dict[str, str] = {}

    @override
    def create_index(self, index: str, dimension: int) -> None:
        self._check_server()
        name, options = self._of_index + index, self._options
        if self._calls(self._client.collection_exists, name):
            raise Conflict(f"index {index!r} already exists")
        self._refuse_foreign()
        layout = options.layout()
        self._calls(
            self._client.create_collection,
            name,
            vectors_config=options.vectors(dimension),
            shard_number=layout.shard_number,
            replication_factor=layout.replication_factor,
            write_consistency_factor=layout.write_consistency_factor,
            hnsw_config=layout.hnsw_config,
            quantization_config=layout.quantization_config,
            on_disk_payload=layout.on_disk_payload,
            metadata=metadata(self._installation),
        )
        add_fields(self._client, self._calls, name, set())

    @override
    def drop_index(self, index: str) -> None:
        if self._installation and self.owners().get(index, "") not in ("", self._installation):
            raise Conflict(f"index {index!r} belongs to another installation of Dyad and is not deleted")
        with self._lock:
            self._known.pop(index, None)
            self._owners.pop(index, None)
        pointing = [alias for alias, target in self.aliases().items() if target == index]
        for alias in pointing:
            self.drop_alias(alias)
        self._calls(self._client.delete_collection, self._of_index + index)

    @override
    def indexes(self) -> list[str]:
        names = [collection.name for collection in self._calls(self._client.get_collections).collections]
        return sorted(name.removeprefix(self._of_index) for name in names if name.startswith(self._of_index))

    @override
    def owners(self) -> dict[str, str]:
        owners = {}
        for index in self.indexes():
            owner = self._owners.get(index, "")
            if not owner:
                try:
                    owner = owner_of(self._metadata(index))
                except NotFound:  # deleted since it was listed
                    continue
            owners[index] = owner
        with self._lock:
            self._owners = {index: owner for index, owner in owners.items() if owner}
        return owners

    @override
    def claim(self, installation: str, unmarked: Sequence[str]) -> None:
        self._installation = installation
        for index in unmarked:
            marked = metadata(installation, format_of(self._metadata(index)))
            self._calls(self._client.update_collection, self._of_index + index, metadata=marked)

    @override
    def check(self, index: str) -> None:
        self._index(index)

    @override
    def damage(self) -> list[str]:
        return []

    @override
    def refuses_writes(self) -> str | None:
        return None

    @override
    def set_alias(self, alias: str, index: str) -> None:
        self._index(index)
        create = models.CreateAlias(collection_name=self._of_index + index, alias_name=self._of_alias + alias)
        changes: list[models.AliasOperations] = [models.CreateAliasOperation(create_alias=create)]
        if alias in self.aliases():
            changes.insert(0, self._deletion(alias))
        self._calls(self._client.update_collection_aliases, changes)

    @override
    def drop_alias(self, alias: str) -> None:
        if alias in self.aliases():
            self._calls(self._client.update_collection_aliases, [self._deletion(alias)])

    @override
    def aliases(self) -> dict[str, str]:
        return {
            entry.alias_name.removeprefix(self._of_alias): entry.collection_name.removeprefix(self._of_index)
            for entry in self._calls(self._client.get_aliases).aliases
            if entry.alias_name.startswith(self._of_alias)
        }

    @override
    def ping(self) -> None:
        with limited_wait(0):
            self._calls(self._client.get_collections)

    @override
    def close(self) -> None:
        self._client.close()

    @override
    def _index(self, index: str) -> QdrantIndex:
        with self._lock:
            known = self._known.get(index)
        if known is not None:
            return known
        self._check_server()
        name = self._of_index + index
        if not self._calls(self._client.collection_exists, name):
            raise NotFound(f"no index {index!r}; existing indexes: {', '.join(self.indexes()) or 'none'}")
        dimension = open_collection(self._client, self._calls, name)
        with self._lock:
            opened = QdrantIndex(self._client, self._calls, name, dimension, self._options)
            return self._known.setdefault(index, opened)

    def _metadata(self, index: str) -> dict[str, Any] | None:
        found = self._calls(self._client.get_collection, self._of_index + index).config.metadata
        return None if found is None else dict(found)

    def _refuse_foreign(self) -> None:
        """Raise `Conflict` if another installation has begun to use the prefix since this one was started."""
        foreign = sorted(index for index, owner in self.owners().items() if owner not in ("", self._installation))
        if foreign and self._installation:
            raise Conflict(
                f"index {foreign[0]!r} on the Qdrant server belongs to another installation of Dyad with the same prefix; "
                "set another DYAD_QDRANT_PREFIX for one of them"
            )

    def _check_server(self) -> None:
        """Check the server's version, once in this process."""
        if not self._is_checked:
            check_server(self._calls(self._client.info).version)
            self._is_checked = True

    def _deletion(self, alias: str) -> models.DeleteAliasOperation:
        return models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=self._of_alias + alias))
