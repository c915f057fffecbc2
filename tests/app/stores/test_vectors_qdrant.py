from __future__ import annotations

import pytest
from qdrant_client import QdrantClient

from app.errors import Unavailable
from app.stores.vectors_qdrant import QdrantVectorStore


def test_a_server_that_does_not_answer_is_unavailable() -> None:
    store = QdrantVectorStore(QdrantClient("http://127.0.0.1:1", timeout=1, check_compatibility=False))
    for call in (store.ping, store.indexes, store.aliases, lambda: store.stats("a.b.1")):
        with pytest.raises(Unavailable, match="DYAD_VECTORS_URL"):
            call()
    store.close()
