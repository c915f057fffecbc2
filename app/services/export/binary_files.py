"""Exports as files that cannot be written as a stream: GeoPackage, FlatGeobuf and GeoParquet. Needs the extra `gis`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pyogrio
from pyarrow import parquet

from app.errors import Unprocessable
from app.services.export.arrow_tables import Vectors, layer, stac_table
from app.services.export.columns import Feature

DRIVERS = {"gpkg": "GPKG", "fgb": "FlatGeobuf"}
_GEO = {
    "version": "1.1.0",
    "primary_column": "geometry",
    "columns": {
        "geometry": {
            "encoding": "WKB",
            "geometry_types": [],
            "covering": {"bbox": {name: ["bbox", name] for name in ("xmin", "ymin", "xmax", "ymax")}},
        }
    },
}


def write_layer(path: Path, name: str, features: Iterable[Feature], columns: Mapping[str, str], layer_name: str) -> None:
    """Write a vector file in batches. name: of the format."""
    options = {"SPATIAL_INDEX": "NO"} if name == "fgb" else {}  # an index would leave out items without a geometry
    try:
        pyogrio.write_arrow(
            layer(features, columns),
            path,
            layer=layer_name,
            driver=DRIVERS[name],
            geometry_name="geometry",
            geometry_type="Unknown",
            crs="OGC:CRS84" if name == "fgb" else "EPSG:4326",
            layer_options=options,
        )
    except pyogrio.errors.DataSourceError as error:
        raise Unprocessable(f"f={name}: the file cannot be written: {error}") from None


def write_parquet(
    path: Path, features: Iterable[Feature], columns: Mapping[str, str], vectors: Vectors | None, note: Mapping[str, object]
) -> None:
    """Write GeoParquet 1.1 in the layout of stac-geoparquet. note: what made the embeddings, for the file's metadata."""
    reader = stac_table(features, columns, vectors)
    metadata = {"geo": _GEO, "stac-geoparquet": {"version": "1.0.0"}, **({"dyad": note} if note else {})}
    schema: pa.Schema = reader.schema.with_metadata({key: json.dumps(value) for key, value in metadata.items()})
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch.replace_schema_metadata(schema.metadata))
