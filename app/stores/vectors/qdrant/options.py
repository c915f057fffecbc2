"""Options of creating and searching indexes on a Qdrant server (`DYAD_QDRANT_...` in `docs/settings.md`)."""

from __future__ import annotations

from dataclasses import dataclass

from qdrant_client import models

_LINKED_SHARE = 0.4
"""Share of the tiles; a filter that leaves more of them keeps the graph connected, so ACORN is not needed."""
_OVERSAMPLING = 2.0
_QUANTILE = 0.99


@dataclass(frozen=True, slots=True)
class QdrantOptions:
    """Options of a Qdrant server.

    prefix: of all names on the server. shards: 0 lets the server choose (one for each node). write_consistency: replicas that
    must have a write before it is acknowledged; 0 means the majority. patience: seconds to retry while the server is
    unavailable. exact_below: up to this number of qualifying tiles a search is exact; above it uses the graph.
    """

    prefix: str = "dyad"
    shards: int = 0
    replicas: int = 1
    write_consistency: int = 0
    quantization: str = "int8"
    on_disk: bool = False
    hnsw_m: int = 16
    hnsw_ef_construct: int = 128
    search_ef: int = 128
    exact_below: int = 200_000
    patience: float = 60.0

    def vectors(self, dimension: int) -> models.VectorParams:
        """Vector parameters of a new index."""
        return models.VectorParams(size=dimension, distance=models.Distance.COSINE, on_disk=self.on_disk)

    def layout(self) -> models.CreateCollection:
        """All parameters of a new index but those of its vectors."""
        scalar = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=_QUANTILE, always_ram=True)
        return models.CreateCollection(
            shard_number=self.shards or None,
            replication_factor=self.replicas,
            write_consistency_factor=self.write_consistency or self.replicas // 2 + 1,
            hnsw_config=models.HnswConfigDiff(m=self.hnsw_m, ef_construct=self.hnsw_ef_construct),
            quantization_config=models.ScalarQuantization(scalar=scalar) if self.quantization == "int8" else None,
            on_disk_payload=True,
        )

    def by_graph(self, limit: int, *, is_filtered: bool) -> models.SearchParams:
        """Parameters of a graph search: `ef` at least the limit, quantised vectors first, rescored with the original ones."""
        return models.SearchParams(
            hnsw_ef=max(self.search_ef, limit),
            quantization=models.QuantizationSearchParams(rescore=True, oversampling=_OVERSAMPLING),
            acorn=models.AcornSearchParams(enable=True, max_selectivity=_LINKED_SHARE) if is_filtered else None,
        )


EXACT = models.SearchParams(exact=True, quantization=models.QuantizationSearchParams(ignore=True))
"""Compare the original vector of every qualifying tile."""
