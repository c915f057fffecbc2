"""GeoParquet files with embeddings: which columns are the vector, the place and the properties. Needs the extra `gis`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyproj
import shapely
from numpy.typing import NDArray
from pyarrow import compute, parquet
from shapely.geometry import mapping

from app.domain.places.geometry import GeoJSON, parse_footprint
from app.domain.temporal import parse_instant
from app.errors import InvalidInput, UnreadableImage

BATCH = 256
VECTORS = ("embedding", "embeddings", "vector", "features")
PLACES = ("geometry", "geom", "wkb_geometry", "geometry_wkb")
TIMES = ("datetime", "timestamp", "date", "start_datetime")
IDENTIFIERS = ("id", "item_id", "tile_id", "fid")
_NOT_PROPERTIES = frozenset(
    {"type", "stac_version", "stac_extensions", "links", "assets", "bbox", "collection", "thumbnail", "window", "indexed_at"}
    | {"end_datetime", "start_datetime"}
)
"""Columns of exports that describe the earlier item."""
MAX_TEXT = 1000


@dataclass(frozen=True, slots=True)
class Row:
    """A row: identifier within the file, place in WGS 84, time, labels (None if the file has none) and other values."""

    key: str
    geometry: GeoJSON | None
    datetime: datetime | None
    labels: tuple[str, ...] | None
    gsd: float | None
    file_name: str | None
    properties: dict[str, Any]


class EmbeddingTable:
    """An open file. dimension: of its vectors. model: the model in the notes of an export of Dyad, else None.

    Raises:
        InvalidInput: it has no column of vectors, or several. UnreadableImage: it is damaged.
    """

    def __init__(self, file: parquet.ParquetFile) -> None:
        self._file = file
        schema = file.schema_arrow
        self.rows = int(file.metadata.num_rows)
        self._vector = _vector_column(schema)
        self._geo = _json(schema.metadata, b"geo")
        self._place = next((name for name in (self._geo.get("primary_column"), *PLACES) if name in schema.names), None)
        self._time = next((name for name in TIMES if name in schema.names), None)
        self._key = next((name for name in IDENTIFIERS if name in schema.names), None)
        self._transformer = _transformer(self._geo, self._place)
        note = _json(schema.metadata, b"dyad")
        self.model = note["model"] if isinstance(note.get("model"), str) else None
        with reading():
            first = next(file.iter_batches(batch_size=1, columns=[self._vector]), None)
            value = None if first is None or not len(first) else first.column(0)[0].as_py()
        self.dimension = len(value or ())

    def batches(self) -> Iterator[tuple[list[Row], NDArray[np.float32], int]]:
        """Rows with their (N, D) float32 vectors, L2-normalised, and the number of rows that have no usable vector.

        Raises:
            UnreadableImage: damaged.
        """
        start = 0
        with reading():
            for batch in self._file.iter_batches(batch_size=BATCH):
                vectors, is_usable = _unit(batch.column(self._vector), self.dimension)
                rows = batch.drop_columns([self._vector]).to_pylist()
                found = [self._row(row, start + number) for number, row in enumerate(rows) if is_usable[number]]
                start += len(rows)
                yield found, vectors[is_usable], int((~is_usable).sum())

    def _row(self, values: dict[str, Any], number: int) -> Row:
        key = None if self._key is None else values.get(self._key)
        labels = values.get("labels")
        if isinstance(labels, str):
            labels = [labels]
        used = {self._place, self._time, self._key, "labels", "gsd", "file_name"}
        rest = {name: value for name, value in values.items() if name not in used and name not in _NOT_PROPERTIES}
        properties = {name: plain for name, value in rest.items() if (plain := _plain(value)) is not None}
        gsd = values.get("gsd")
        return Row(
            key=str(number if key is None else key)[:MAX_TEXT],
            geometry=self._geometry(values.get(self._place) if self._place else None),
            datetime=_instant(values.get(self._time)) if self._time else None,
            labels=None if labels is None else tuple(dict.fromkeys(str(label).strip() for label in labels if label))[:100],
            gsd=float(gsd) if isinstance(gsd, int | float) and gsd > 0 else None,
            file_name=values["file_name"] if isinstance(values.get("file_name"), str) else None,
            properties=properties,
        )

    def _to_degrees(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2) longitudes and latitudes of (N, 2) coordinates in the system of the file."""
        if self._transformer is None:
            return places
        return np.column_stack(self._transformer.transform(places[:, 0], places[:, 1]))

    def _geometry(self, value: Any) -> GeoJSON | None:
        if value is None:
            return None
        try:
            geometry = shapely.force_2d(shapely.from_wkb(value) if isinstance(value, bytes) else shapely.from_wkt(value))
            if self._transformer is not None:
                geometry = shapely.transform(geometry, self._to_degrees)
            return parse_footprint(mapping(geometry))
        except (InvalidInput, shapely.errors.ShapelyError, TypeError, ValueError):
            return None


@contextmanager
def open_table(path: Path) -> Iterator[EmbeddingTable]:
    """Open a file.

    Raises:
        InvalidInput, UnreadableImage: see `EmbeddingTable`.
    """
    with reading():
        file = parquet.ParquetFile(path)
    with file:
        yield EmbeddingTable(file)


@contextmanager
def reading() -> Iterator[None]:
    """Convert the errors of a damaged file."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        reason = next(iter(str(error).splitlines()), "")[:200]
        raise UnreadableImage(f"the Parquet file is damaged or not supported ({reason}); write it again") from None


def _vector_column(schema: pa.Schema) -> str:
    def is_vector(kind: pa.DataType) -> bool:
        is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
        return bool(is_list and pa.types.is_floating(kind.value_type))

    found = [field.name for field in schema if is_vector(field.type)]
    named = [name for name in VECTORS if name in found]
    if named or len(found) == 1:
        return (named or found)[0]
    reason = f"the columns {', '.join(found[:10])} are lists of numbers" if found else "no column is a list of numbers"
    raise InvalidInput(f"the Parquet file has no column {' or '.join(VECTORS[:3])} with embeddings: {reason}; rename it")


def _unit(column: pa.Array, dimension: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """(N, D) float32 L2-normalised vectors, and (N,) which rows have a usable one."""
    lengths = np.asarray(compute.fill_null(compute.list_value_length(column), 0).to_numpy(zero_copy_only=False))
    is_usable = lengths == dimension
    vectors = np.zeros((len(column), dimension), np.float32)
    for number in np.flatnonzero(is_usable):
        vectors[number] = column[int(number)].values.to_numpy(zero_copy_only=False)
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
    is_usable &= np.isfinite(norms) & (norms > 1e-30)
    vectors[is_usable] = vectors[is_usable] / norms[is_usable, np.newaxis]
    return vectors, is_usable


def _transformer(geo: dict[str, Any], place: str | None) -> pyproj.Transformer | None:
    """To longitude and latitude; None if the file has them, as without `crs`."""
    columns = geo.get("columns")
    described = columns.get(place) if isinstance(columns, dict) else None
    crs = described.get("crs") if isinstance(described, dict) else None
    if crs is None:
        return None
    try:
        found = pyproj.CRS.from_user_input(crs)
    except pyproj.exceptions.CRSError as error:
        raise InvalidInput(f"the system of coordinates of the Parquet file is not known: {str(error)[:200]}") from None
    return None if found.is_geographic else pyproj.Transformer.from_crs(found, "OGC:CRS84", always_xy=True)


def _json(metadata: dict[bytes, bytes] | None, name: bytes) -> dict[str, Any]:
    with suppress(ValueError):
        found = json.loads((metadata or {}).get(name, b"{}"))
        return found if isinstance(found, dict) else {}
    return {}


def _instant(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)
    with suppress(InvalidInput):
        return None if value is None else parse_instant(str(value))
    return None


def _plain(value: Any) -> Any:
    """A value as JSON; None for one that JSON has not."""
    if isinstance(value, datetime):
        return value.isoformat()
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return None
    return value if len(text) <= 100 * MAX_TEXT else None
