"""The gRPC side of the adapter, against a real gRPC server that knows one call."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from qdrant_client.grpc import (
    CollectionDescription,
    CollectionsServicer,
    ListCollectionsResponse,
    add_CollectionsServicer_to_server,
)

from app.errors import NotFound, OutOfSpace, Unavailable
from app.stores.vectors.qdrant.options import QdrantOptions
from app.stores.vectors.qdrant.qdrant_store import QdrantVectorStore, connect


class Listing(CollectionsServicer):
    """Lists one index; what else it is asked fails as `failure` says."""

    failure = (grpc.StatusCode.NOT_FOUND, "no such collection")

    def List(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return ListCollectionsResponse(collections=[CollectionDescription(name="dyad.index.ucm.hog.1")])

    def ListAliases(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        context.abort(*self.failure)


@pytest.fixture
def listing() -> Iterator[tuple[Listing, QdrantVectorStore]]:
    server, servicer = grpc.server(ThreadPoolExecutor(2)), Listing()
    add_CollectionsServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    store = QdrantVectorStore(connect("http://127.0.0.1:1", grpc_port=port, timeout=5), QdrantOptions(patience=0))
    yield servicer, store
    store.close()
    server.stop(None)


def test_indexes_are_listed_over_grpc(listing: tuple[Listing, QdrantVectorStore]) -> None:
    assert listing[1].indexes() == ["ucm.hog.1"]


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (grpc.StatusCode.NOT_FOUND, "no such collection", NotFound),
        (grpc.StatusCode.INTERNAL, "Service internal error: No space left on device", OutOfSpace),
        (grpc.StatusCode.INTERNAL, "not enough replicas", Unavailable),
        (grpc.StatusCode.UNAVAILABLE, "starting", Unavailable),
        (grpc.StatusCode.UNAUTHENTICATED, "a key", Unavailable),
    ],
)
def test_what_a_server_refuses_over_grpc(
    listing: tuple[Listing, QdrantVectorStore], code: grpc.StatusCode, text: str, kind: type[Exception]
) -> None:
    servicer, store = listing
    servicer.failure = (code, text)
    with pytest.raises(kind, match=text):
        store.aliases()


def test_nobody_answers_over_grpc() -> None:
    store = QdrantVectorStore(connect("http://127.0.0.1:1", grpc_port=1, timeout=1), QdrantOptions(patience=0))
    with pytest.raises(Unavailable, match="DYAD_VECTORS_URL"):
        store.indexes()
    store.close()
