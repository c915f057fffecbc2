"""One collection of the test-only Qdrant server: an Edge shard in a folder, spoken to in the client's own models.

::

    {folder}/collection.json    {"create": CreateCollection, "fields": {field: PayloadSchemaType}}
    {folder}/shard/             the engine's files

Every write is in the engine's log before it is answered, so that a killed server loses nothing.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import qdrant_edge as edge
from qdrant_client.http import models

_HNSW = {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000}
_OPTIMIZERS = {
    "deleted_threshold": 0.2,
    "vacuum_min_vector_number": 1000,
    "default_segment_number": 0,
    "indexing_threshold": 10_000,
    "flush_interval_sec": 5,
}
_WAL = {"wal_capacity_mb": 32, "wal_segments_ahead": 0}
_DIRECTIONS = {models.Direction.ASC: edge.Direction.Asc, models.Direction.DESC: edge.Direction.Desc}
_RESERVE = 64 << 20


class Refused(Exception):
    """The request is wrong, in the words of the answer."""


class ServerFault(Exception):
    """The server cannot, in the words of the answer."""


class Shard:
    """An open collection."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        described = json.loads((folder / "collection.json").read_bytes())
        self._create: dict[str, Any] = described["create"]
        self._fields: dict[str, str] = described["fields"]
        self._shard = self._load()

    @staticmethod
    def create(folder: Path, wanted: models.CreateCollection) -> Shard:
        """Make an empty collection in the new folder."""
        vectors = wanted.vectors
        if not isinstance(vectors, models.VectorParams) or vectors.distance != models.Distance.COSINE:
            raise Refused("Wrong input: this server knows one cosine vector per point only")
        folder.mkdir(parents=True)
        create = wanted.model_dump(mode="json", exclude_none=True)
        edge.EdgeShard.create(str(folder / "shard"), _config(create)).close()
        _write(folder, create, {})
        return Shard(folder)

    def close(self) -> None:
        """Flush and release the files."""
        self._shard.flush()
        self._shard.close()

    def drop(self) -> None:
        """Remove the collection."""
        (self._folder / "collection.json").unlink()
        self._shard.close()
        shutil.rmtree(self._folder)

    def change(self, wanted: models.UpdateCollection) -> None:
        """Change the description, as far as a server lets one, and build what graphs it now asks for."""
        changes = wanted.model_dump(mode="json", exclude_none=True)
        vectors = changes.pop("vectors", {}).get("", {})
        self._create["vectors"].update(vectors)
        self._create.update(changes.pop("params", {}))
        for key, value in changes.items():
            self._create[key] = {**self._create.get(key, {}), **value}
        _write(self._folder, self._create, self._fields)
        if "optimizers_config" in changes:
            self.close()
            self._shard = self._load()
            self._shard.optimize()

    def info(self) -> models.CollectionInfo:
        """What the server says about a collection."""
        info = self._shard.info()
        create = self._create
        keys = ("vectors", "shard_number", "replication_factor", "write_consistency_factor", "on_disk_payload")
        config = {
            "params": {key: create[key] for key in keys if key in create},
            "hnsw_config": {**_HNSW, **create.get("hnsw_config", {})},
            "optimizer_config": {**_OPTIMIZERS, **create.get("optimizers_config", {})},
            "wal_config": _WAL,
            "quantization_config": create.get("quantization_config"),
            "metadata": create.get("metadata"),
        }
        return models.CollectionInfo.model_validate(
            {
                "status": "green",
                "optimizer_status": "ok",
                "indexed_vectors_count": info.indexed_vectors_count,
                "points_count": info.points_count,
                "segments_count": info.segments_count,
                "config": config,
                "payload_schema": {field: {"data_type": kind, "points": 0} for field, kind in self._fields.items()},
            }
        )

    def index_field(self, wanted: models.CreateFieldIndex) -> None:
        """Make a payload index."""
        schema = wanted.field_schema
        kind = str(getattr(schema, "type", schema)).rsplit(".", maxsplit=1)[-1].lower()
        self._update(
            edge.UpdateOperation.create_field_index(wanted.field_name, getattr(edge.PayloadSchemaType, kind.capitalize()))
        )
        self._fields[wanted.field_name] = kind
        _write(self._folder, self._create, self._fields)

    def upsert(self, wanted: models.PointsList | models.PointsBatch) -> None:
        """Write whole points."""
        if not isinstance(wanted, models.PointsList):
            raise Refused("Wrong input: this server takes lists of points only")
        points = [edge.Point(point.id, _vector(point.vector), point.payload or {}) for point in wanted.points]
        self._update(edge.UpdateOperation.upsert_points(points))

    def update_vectors(self, wanted: models.UpdateVectors) -> None:
        """Replace vectors of existing points."""
        rows = [edge.PointVectors(point.id, _vector(point.vector)) for point in wanted.points]
        self._update(edge.UpdateOperation.update_vectors(rows))

    def set_payload(self, wanted: models.SetPayload) -> None:
        """Set fields of existing points."""
        if wanted.points is None:
            self._update(edge.UpdateOperation.set_payload_by_filter(_filter(wanted.filter), wanted.payload))
        else:
            self._update(edge.UpdateOperation.set_payload(list(wanted.points), wanted.payload))

    def delete(self, wanted: models.PointIdsList | models.FilterSelector) -> None:
        """Delete points."""
        if isinstance(wanted, models.PointIdsList):
            self._update(edge.UpdateOperation.delete_points(list(wanted.points)))
        else:
            self._update(edge.UpdateOperation.delete_points_by_filter(_filter(wanted.filter)))

    def query(self, wanted: models.QueryRequest) -> models.QueryResponse:
        """Nearest neighbours, by a graph only after `change` has had one built."""
        query = wanted.query.nearest if isinstance(wanted.query, models.NearestQuery) else wanted.query
        if not isinstance(query, list):
            raise Refused("Wrong input: this server knows queries by one vector only")
        request = edge.SearchRequest(
            query=edge.Query.Nearest(query),
            limit=10 if wanted.limit is None else wanted.limit,
            offset=wanted.offset,
            filter=_filter(wanted.filter),
            params=_params(wanted.params),
            with_payload=_payload_of(wanted.with_payload, otherwise=False),
            with_vector=bool(wanted.with_vector),
            score_threshold=wanted.score_threshold,
        )
        found = _told(self._shard.search, request)
        points = [
            models.ScoredPoint(id=str(hit.id), version=hit.version, score=hit.score, payload=hit.payload, vector=hit.vector)
            for hit in found
        ]
        return models.QueryResponse(points=points)

    def scroll(self, wanted: models.ScrollRequest) -> models.ScrollResult:
        """Points by id, or by a field."""
        order = wanted.order_by if isinstance(wanted.order_by, models.OrderBy) else None
        request = edge.ScrollRequest(
            offset=wanted.offset,
            limit=10 if wanted.limit is None else wanted.limit,
            filter=_filter(wanted.filter),
            with_payload=_payload_of(wanted.with_payload, otherwise=True),
            with_vector=bool(wanted.with_vector),
            order_by=None if order is None else edge.OrderBy(order.key, _DIRECTIONS[order.direction or models.Direction.ASC]),
        )
        records, following = _told(self._shard.scroll, request)
        return models.ScrollResult(points=_records(records), next_page_offset=None if following is None else str(following))

    def retrieve(self, wanted: models.PointRequest) -> list[models.Record]:
        """Points by id."""
        payload = _payload_of(wanted.with_payload, otherwise=True)
        return _records(_told(self._shard.retrieve, list(wanted.ids), payload, bool(wanted.with_vector)))

    def count(self, wanted: models.CountRequest) -> int:
        """How many points qualify."""
        request = edge.CountRequest(exact=wanted.exact is not False, filter=_filter(wanted.filter))
        counted: int = _told(self._shard.count, request)
        return counted

    def facet(self, wanted: models.FacetRequest) -> models.FacetResponse:
        """Counts of values. As the real one, refused without an index."""
        if wanted.key not in self._fields:
            raise Refused(f"Bad request: Index required but not found for {json.dumps(wanted.key)}")
        request = edge.FacetRequest(wanted.key, wanted.limit or 10, bool(wanted.exact), _filter(wanted.filter))
        hits = _told(self._shard.facet, request).hits
        return models.FacetResponse(hits=[models.FacetValueHit(value=hit.value, count=hit.count) for hit in hits])

    def _load(self) -> edge.EdgeShard:
        return edge.EdgeShard.load(str(self._folder / "shard"), _config(self._create))

    def _update(self, operation: edge.UpdateOperation) -> None:
        if shutil.disk_usage(self._folder).free < _RESERVE:
            raise ServerFault("Service internal error: No space left on device: WAL buffer size exceeds available disk space")
        _told(self._shard.update, operation)


def _told(call: Any, *arguments: Any) -> Any:
    """Call the engine; what it refuses is the client's fault."""
    try:
        return call(*arguments)
    except Exception as error:  # noqa: BLE001 - the engine raises nothing more specific
        raise Refused(f"Wrong input: {error}") from None


def _write(folder: Path, create: dict[str, Any], fields: dict[str, str]) -> None:
    part = folder / "collection.json.part"
    part.write_text(json.dumps({"create": create, "fields": fields}))
    part.replace(folder / "collection.json")


def _config(create: dict[str, Any]) -> edge.EdgeConfig:
    """The engine's words for what a collection is to be like; where things lie, on disk or in memory, it may decide itself."""
    hnsw = {**_HNSW, **create.get("hnsw_config", {})}
    optimizers = {**_OPTIMIZERS, **create.get("optimizers_config", {})}
    scalar = create.get("quantization_config", {}).get("scalar")
    parameters = edge.EdgeVectorParams(size=create["vectors"]["size"], distance=edge.Distance.Cosine)
    return edge.EdgeConfig(
        vectors={"": parameters},
        hnsw_config=edge.HnswIndexConfig(hnsw["m"], hnsw["ef_construct"], hnsw["full_scan_threshold"]),
        quantization_config=scalar and edge.ScalarQuantizationConfig(edge.ScalarType.Int8, quantile=scalar.get("quantile")),
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=optimizers["indexing_threshold"], default_segment_number=1),
    )


def _params(wanted: models.SearchParams | None) -> edge.SearchParams | None:
    if wanted is None:
        return None
    quantization, acorn = wanted.quantization, wanted.acorn
    small = None
    if quantization is not None:
        small = edge.QuantizationSearchParams(bool(quantization.ignore), quantization.rescore, quantization.oversampling)
    return edge.SearchParams(
        hnsw_ef=wanted.hnsw_ef,
        exact=bool(wanted.exact),
        quantization=small,
        acorn=edge.AcornSearchParams(bool(acorn.enable), acorn.max_selectivity) if acorn else None,
    )


def _vector(vector: Any) -> list[float]:
    if not isinstance(vector, list):
        raise Refused("Wrong input: this server knows one unnamed vector per point only")
    return vector


def _records(records: Sequence[edge.Record]) -> list[models.Record]:
    return [models.Record(id=str(record.id), payload=record.payload, vector=record.vector) for record in records]


def _payload_of(wanted: models.WithPayloadInterface | None, *, otherwise: bool) -> bool | list[str]:
    if wanted is None:
        return otherwise
    if isinstance(wanted, bool | list):
        return wanted
    raise Refused("Wrong input: this server knows lists of payload fields only")


def _filter(wanted: models.Filter | None) -> Any:
    if wanted is None:
        return None
    if wanted.min_should is not None:
        raise Refused("Wrong input: this server does not know min_should")
    parts = (wanted.must, wanted.should, wanted.must_not)
    lists = ([part] if part is not None and not isinstance(part, list) else part for part in parts)
    must, should, must_not = (None if part is None else [_condition(each) for each in part] for part in lists)
    return edge.Filter(must=must, should=should, must_not=must_not)


def _condition(wanted: Any) -> Any:
    if isinstance(wanted, models.Filter):
        return _filter(wanted)
    if isinstance(wanted, models.HasIdCondition):
        return edge.HasIdCondition(set(wanted.has_id))
    if isinstance(wanted, models.FieldCondition):
        return edge.FieldCondition(wanted.key, **_test(wanted))
    raise Refused(f"Wrong input: this server does not know the condition {wanted!r}")


def _test(wanted: models.FieldCondition) -> dict[str, Any]:
    """The engine's arguments for what a field is tested for."""
    if isinstance(wanted.match, models.MatchAny):
        return {"match": edge.MatchAny([str(value) for value in wanted.match.any])}
    if isinstance(wanted.match, models.MatchValue):
        return {"match": edge.MatchValue(wanted.match.value)}
    if isinstance(wanted.range, models.Range):
        return {"range": edge.RangeFloat(**wanted.range.model_dump(exclude_none=True))}
    if isinstance(wanted.range, models.DatetimeRange):
        return {"range": edge.RangeDateTime(**wanted.range.model_dump(mode="json", exclude_none=True))}
    if wanted.geo_bounding_box is not None:
        box = wanted.geo_bounding_box
        corners = (edge.GeoPoint(corner.lon, corner.lat) for corner in (box.top_left, box.bottom_right))
        return {"geo_bounding_box": edge.GeoBoundingBox(*corners)}
    raise Refused(f"Wrong input: this server does not know the condition {wanted!r}")
