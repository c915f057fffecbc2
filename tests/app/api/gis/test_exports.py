"""Files with all items of a list or a search, read back by the programs that they are for."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import geopandas
import httpx
import numpy as np
import pyarrow.parquet
import pytest

from tests.app.api.gis.conftest import Placed
from tests.support.pictures import striped
from tests.support.service import Service

FORMATS = ("geojsonseq", "csv", "gpkg", "fgb", "parquet")
SUFFIXES = {"geojsonseq": "geojsonl", "csv": "csv", "gpkg": "gpkg", "fgb": "fgb", "parquet": "parquet"}


def get(service: Service, path: str, **query: str) -> httpx.Response:
    answer = service.client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer


@pytest.mark.parametrize("name", FORMATS)
def test_gdal_and_geopandas_read_all_pages(service: Service, placed: Placed, name: str, tmp_path: Path) -> None:
    answer = get(service, f"{placed.url}/items", f=name, limit="2", filter="n < 11")
    assert answer.headers["content-disposition"].endswith(f'{SUFFIXES[name]}"')
    file = tmp_path / f"items.{SUFFIXES[name]}"
    file.write_bytes(answer.content)
    if name == "parquet":
        frame = geopandas.read_parquet(file)
    elif name == "csv":
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        places = geopandas.GeoSeries.from_wkt([row["geometry"] for row in rows])
        frame = geopandas.GeoDataFrame(rows, geometry=places, crs="EPSG:4326")
    else:
        frame = geopandas.read_file(file)
    assert len(frame) == 11
    assert set(frame["id"]) == set(placed.items[:11])
    assert frame.total_bounds == pytest.approx([10, 50, 11.05, 50.05])
    assert sorted(int(number) for number in frame["n"]) == list(range(11))
    if name in ("gpkg", "fgb"):
        assert frame["datetime"].dt.year.tolist() == [2025] * 11
        assert set(frame["labels"]) == {"river", "town"}
    assert service.staged() == []


def test_gdal_reads_all_pages_of_the_layer(service: Service, placed: Placed, require_program: Callable[[str], Path]) -> None:
    command = [str(require_program("ogrinfo")), "-so", f"OAPIF:{service.client.base_url}", placed.id, "-oo", "PAGE_SIZE=5"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "Feature Count: 12" in done.stdout, done.stdout + done.stderr
    assert "n: Integer" in done.stdout
    assert "Extent: (10.0" in done.stdout


def test_accept_chooses_the_format(service: Service, placed: Placed) -> None:
    rows = service.client.get(f"{placed.url}/items", headers={"Accept": "text/csv"})
    assert rows.headers["content-type"].startswith("text/csv")
    sequence = service.client.get(f"{placed.url}/items", headers={"Accept": "application/geo+json-seq"})
    assert sequence.headers["content-type"] == "application/geo+json-seq"
    assert sequence.content.startswith(b"\x1e{")


def test_results_of_searches(service: Service, placed: Placed, tmp_path: Path) -> None:
    lines = get(service, f"{placed.url}/search", item=placed.items[0], f="geojsonseq").text.splitlines()
    assert [json.loads(line)["properties"]["rank"] for line in lines] == list(range(1, 12))
    answer = service.client.post(f"{placed.url}/search?f=parquet", files={"image": ("q.png", striped(3))})
    assert answer.status_code == 200, answer.text
    (tmp_path / "found.parquet").write_bytes(answer.content)
    frame = geopandas.read_parquet(tmp_path / "found.parquet")
    assert frame["rank"].tolist() == list(range(1, 13))
    assert frame["score"].is_monotonic_decreasing
    csv_file = service.client.post(f"{placed.url}/search?f=csv", json={"positives": [placed.items[0]], "filter": "n > 8"})
    assert [row["n"] for row in csv.DictReader(io.StringIO(csv_file.text))].sort() is None
    assert len(csv_file.text.splitlines()) == 4


def test_parquet_holds_embeddings_and_stac(service: Service, placed: Placed, tmp_path: Path) -> None:
    file = tmp_path / "items.parquet"
    file.write_bytes(get(service, f"{placed.url}/items", f="parquet", embeddings="true", sortby="n").content)
    table = pyarrow.parquet.read_table(file)
    assert json.loads(table.schema.metadata[b"dyad"])["model"] == "hog"
    rows = np.array(table["embedding"].to_pylist(), np.float32)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(12), abs=1e-4)
    assert table["n"].to_pylist() == list(range(12))
    assert table["labels"].to_pylist()[0] == ["river"]
    assert {"stac_version", "assets", "links", "bbox", "collection"} <= set(table.column_names)
    assert table["assets"].to_pylist()[0]["image"]["href"].endswith("/image")


def test_what_is_refused(service: Service, placed: Placed) -> None:
    for query in ("f=shp", "f=csv&embeddings=true", "f=csv&crs=EPSG:3857"):
        answer = service.client.get(f"{placed.url}/items?{query}")
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json"), query
    assert service.client.get("/collections/none/items?f=gpkg").status_code == 404


def test_items_without_a_place_are_exported(service: Service, fresh: Callable[..., str], tmp_path: Path) -> None:
    name = fresh(model="hog", tile_size=64)
    service.upload(
        name, {"a.png": striped(1), "b.png": striped(2)}, {"a.png": {"bbox": [1, 2, 3, 4], "properties": {"x": [1]}}}
    )
    for kind in FORMATS:
        file = tmp_path / f"items.{SUFFIXES[kind]}"
        file.write_bytes(get(service, f"/collections/{name}/items", f=kind).content)
        read = geopandas.read_parquet if kind == "parquet" else geopandas.read_file
        assert len(read(file)) == 2, kind


def test_an_empty_collection(service: Service, fresh: Callable[..., str]) -> None:
    name = fresh(model="hog")
    for kind in FORMATS:
        get(service, f"/collections/{name}/items", f=kind)
