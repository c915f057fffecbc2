"""Other vector indexes behind one small interface, with the same vectors, boxes and number of results."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domain.naming.ids import tile_id
from app.domain.places.geometry import parse_bbox
from app.domain.queries.search import TileFilter
from app.domain.tiles import Embeddings
from app.stores.vectors.edge.edge_store import EdgeVectorStore
from benchmarks._archive import SIDE, archive_tile

Box = tuple[float, float, float, float]
"""West, south, east, north of the lower left corners of footprints that qualify."""
_BATCH = 1000
_INDEX = "peers.synthetic.1"


class Peer(ABC):
    """An index of N vectors with a place each. Results are row numbers, best first."""

    name: str
    filters = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def fill(self, vectors: NDArray[np.float32], places: NDArray[np.float64]) -> None:
        """Add all: vectors (N, D) float32, normalised; places (N, 2) lower left corners in degrees."""

    @abstractmethod
    def search(self, query: NDArray[np.float32], limit: int, box: Box | None) -> list[int]:
        """Rows of the nearest; box: only with the corner in the box."""

    def close(self) -> None:  # noqa: B027 - most have nothing to release
        """Release files."""


class Dyad(Peer):
    """Dyad's embedded store as the service calls it, with whole records; the search table is built."""

    name = "Dyad, embedded store"

    def fill(self, vectors: NDArray[np.float32], places: NDArray[np.float64]) -> None:
        """See `Peer`."""
        self._store = EdgeVectorStore(self.folder, reserve=0)
        self._store.create_index(_INDEX, vectors.shape[1])
        ids = [tile_id("peers", f"{number}", "") for number in range(len(vectors))]
        self._row = {point: row for row, point in enumerate(ids)}
        for start in range(0, len(ids), _BATCH):
            span = range(start, min(start + _BATCH, len(ids)))
            tiles = [archive_tile("peers", ids[number], number, *places[number]) for number in span]
            self._store.upsert(_INDEX, tiles, Embeddings(vectors[span.start : span.stop]))
        self._store.flush(_INDEX)

    def build(self) -> None:
        """Build the table, which the service does in the background after the first search."""
        self._store._index(_INDEX).wait_for_table()

    def search(self, query: NDArray[np.float32], limit: int, box: Box | None) -> list[int]:
        """See `Peer`. The region is such that footprints of `SIDE` degrees qualify by their corners."""
        region = None if box is None else parse_bbox([box[0] + SIDE, box[1] + SIDE, box[2], box[3]])
        hits = self._store.search(_INDEX, query, limit=limit, filter=TileFilter(region=region))
        return [self._row[hit.tile.id] for hit in hits]

    def close(self) -> None:
        """See `Peer`."""
        self._store.close()


class NumPy(Peer):
    """A matrix product; the floor of an exact answer in float32."""

    name = "NumPy, exact"

    def fill(self, vectors: NDArray[np.float32], places: NDArray[np.float64]) -> None:
        """See `Peer`."""
        self._vectors, self._places = vectors, places

    def search(self, query: NDArray[np.float32], limit: int, box: Box | None) -> list[int]:
        """See `Peer`."""
        scores = self._vectors @ query
        if box is not None:
            scores[~inside(self._places, box)] = -2
        best = np.argpartition(-scores, limit)[:limit]
        return [int(row) for row in best[np.argsort(-scores[best])]]


class Faiss(Peer):
    """faiss, flat or HNSW (m 16, ef 100); a box becomes a bitmap of rows."""

    kind = "Flat"
    name = "faiss flat"

    def fill(self, vectors: NDArray[np.float32], places: NDArray[np.float64]) -> None:
        """See `Peer`."""
        import faiss

        self._faiss, self._places = faiss, places
        self._index = faiss.index_factory(vectors.shape[1], self.kind, faiss.METRIC_INNER_PRODUCT)
        self._index.add(vectors)
        faiss.write_index(self._index, str(self.folder / "index.faiss"))

    def search(self, query: NDArray[np.float32], limit: int, box: Box | None) -> list[int]:
        """See `Peer`."""
        selector = None
        if box is not None:
            bits = np.packbits(inside(self._places, box), bitorder="little")
            selector = self._faiss.IDSelectorBitmap(bits)
        parameters: Any = self._parameters(selector)
        found = self._index.search(query[None], limit, params=parameters)[1][0]
        return [int(row) for row in found if row >= 0]

    def _parameters(self, selector: Any) -> Any:
        return None if selector is None else self._faiss.SearchParameters(sel=selector)


class FaissHnsw(Faiss):
    """See `Faiss`."""

    kind = "HNSW16"
    name = "faiss HNSW"

    def _parameters(self, selector: Any) -> Any:
        return self._faiss.SearchParametersHNSW(efSearch=100, **({} if selector is None else {"sel": selector}))


class Usearch(Peer):
    """usearch, HNSW in float32. Its Python interface has no filters."""

    name = "usearch HNSW"
    filters = False

    def fill(self, vectors: NDArray[np.float32], places: NDArray[np.float64]) -> None:
        """See `Peer`."""
        from usearch.index import Index

        self._index = Index(ndim=vectors.shape[1], metric="ip", dtype="f32", connectivity=16, expansion_search=100)
        self._index.add(np.arange(len(vectors)), vectors)
        self._index.save(str(self.folder / "index.usearch"))

    def search(self, query: NDArray[np.float32], limit: int, box: Box | None) -> list[int]:
        """See `Peer`."""
        return [int(key) for key in self._index.search(query, limit).keys]


class LanceDb(Peer):
    """LanceDB without an index: exact, from files."""

    name = "LanceDB flat"

    def fill(self, vectors: NDArray[np.float32], places: NDArray[np.float64]) -> None:
        """See `Peer`."""
        import lancedb
        import pyarrow as pa

        flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
        columns = {"row": np.arange(len(vectors)), "west": places[:, 0], "south": places[:, 1], "vector": flat}
        self._table = lancedb.connect(str(self.folder)).create_table("peers", pa.table(columns))

    def search(self, query: NDArray[np.float32], limit: int, box: Box | None) -> list[int]:
        """See `Peer`."""
        found = self._table.search(query).distance_type("dot").limit(limit).select(["row", "_distance"])
        if box is not None:
            west, south, east, north = box
            where = f"west >= {west} AND west <= {east} AND south >= {south} AND south <= {north}"
            found = found.where(where, prefilter=True)
        return [int(row) for row in found.to_arrow()["row"].to_pylist()]


class QdrantLocal(Peer):
    """The local mode of qdrant-client: NumPy with conditions in Python; for tests of small size."""

    name = "qdrant-client, local"

    def fill(self, vectors: NDArray[np.float32], places: NDArray[np.float64]) -> None:
        """See `Peer`."""
        from qdrant_client import QdrantClient, models

        self._models, self._client = models, QdrantClient(path=str(self.folder))
        parameters = models.VectorParams(size=vectors.shape[1], distance=models.Distance.DOT)
        self._client.create_collection("peers", vectors_config=parameters)
        payload = [{"west": float(west), "south": float(south)} for west, south in places]
        self._client.upload_collection("peers", vectors, payload=payload, ids=range(len(vectors)))

    def search(self, query: NDArray[np.float32], limit: int, box: Box | None) -> list[int]:
        """See `Peer`."""
        wanted = None
        if box is not None:
            ranges = {"west": (box[0], box[2]), "south": (box[1], box[3])}
            wanted = self._models.Filter(
                must=[
                    self._models.FieldCondition(key=key, range=self._models.Range(gte=low, lte=high))
                    for key, (low, high) in ranges.items()
                ]
            )
        found = self._client.query_points("peers", query=query.tolist(), limit=limit, query_filter=wanted).points
        return [int(point.id) for point in found]

    def close(self) -> None:
        """See `Peer`."""
        self._client.close()


PEERS: tuple[type[Peer], ...] = (NumPy, Dyad, Faiss, FaissHnsw, Usearch, LanceDb, QdrantLocal)


def inside(places: NDArray[np.float64], box: Box) -> NDArray[np.bool_]:
    """(N,) bool: whether the corner lies in the box."""
    west, south, east, north = box
    return np.asarray((places[:, 0] >= west) & (places[:, 0] <= east) & (places[:, 1] >= south) & (places[:, 1] <= north))


def empty(folder: Path) -> Path:
    """The folder, new."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
