"""GDAL, the library that QGIS uses, opens the GET routes as layers."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import images
from tests.support.service import Service, document


@pytest.fixture
def layer(service: Service, fresh: Callable[..., str], tmp_path: Path) -> tuple[str, list[str]]:
    """A collection of 12 placed tiles and one without a place."""
    name = fresh(tile_size=64)
    scene = images.rgb_tif(tmp_path / "scene_20200831.tif", 192, 256)
    results = service.upload(name, {"scene_20200831.tif": scene, "plain.png": images.saved(tmp_path / "plain.png")})
    return name, results["item_ids"]


@dataclass(frozen=True)
class Layer:
    """What GDAL sees."""

    features: int
    extent: list[float]
    fields: dict[str, str]


def ogrinfo(program: Path, address: str) -> Layer:
    done = subprocess.run([program, "-so", "-al", address], capture_output=True, text=True, timeout=60, check=True)
    count = re.search(r"^Feature Count: (\d+)$", done.stdout, re.M)
    extent = re.search(r"^Extent: \((.+), (.+)\) - \((.+), (.+)\)$", done.stdout, re.M)
    assert count is not None, done.stdout
    assert extent is not None, done.stdout
    fields = dict(re.findall(r"^(\w+): (\w+)\b.* \(\d+\.\d+\)$", done.stdout, re.M))
    return Layer(int(count[1]), [float(value) for value in extent.groups()], fields)


def test_items_and_search_open_as_layers(
    service: Service, layer: tuple[str, list[str]], require_program: Callable[[str], Path]
) -> None:
    program, (name, ids) = require_program("ogrinfo"), layer
    base = str(service.client.base_url.join(f"/collections/{name}"))
    items = ogrinfo(program, f"{base}/items?limit=1000")
    assert items.features == 13
    assert set(items.fields) >= {"file_name", "labels", "gsd"}
    assert items.fields["datetime"] == "DateTime"
    extent = document(service.client.get(f"/collections/{name}"))["extent"]["spatial"]["bbox"][0]
    assert items.extent == pytest.approx(extent, abs=1e-6)
    found = ogrinfo(program, f"{base}/search?item={ids[0]}&limit=5")
    assert found.features == 5
    assert (found.fields["rank"], found.fields["score"]) == ("Integer", "Real")


def test_a_layer_comes_back_from_a_gis_with_labels(
    service: Service, layer: tuple[str, list[str]], require_program: Callable[[str], Path], tmp_path: Path
) -> None:
    """As docs/labels.md tells users of QGIS: a copy of the layer, one more column, and out as GeoJSON or CSV."""
    ogr2ogr, name = require_program("ogr2ogr"), layer[0]
    base = str(service.client.base_url.join(f"/collections/{name}"))

    def run(*command: object) -> None:
        subprocess.run([str(part) for part in command], capture_output=True, timeout=60, check=True)

    def labels(file: Path, mode: str) -> tuple[int, int, int]:
        answer = service.client.post(f"{base}/labels", params={"mode": mode}, content=file.read_bytes())
        assert answer.status_code == 200, answer.text
        done = document(answer)
        return done["updated"], done["unchanged"], done["rejected_count"]

    copy = tmp_path / "tiles.gpkg"
    run(ogr2ogr, copy, f"{base}/items?limit=1000", "-nln", "tiles")
    for change in ("ALTER TABLE tiles ADD COLUMN label TEXT", "UPDATE tiles SET label = 'town' WHERE gsd IS NOT NULL"):
        run(require_program("ogrinfo"), "-q", copy, "-sql", change)
    run(ogr2ogr, "-t_srs", "EPSG:4326", tmp_path / "edited.geojson", copy)
    assert labels(tmp_path / "edited.geojson", "add") == (12, 1, 0)
    run(ogr2ogr, tmp_path / "again.gpkg", f"{base}/items?limit=1000", "-nln", "tiles")
    for file, options in (("again.geojson", ()), ("again.csv", ("-lco", "SEPARATOR=SEMICOLON", "-lco", "WRITE_BOM=YES"))):
        run(ogr2ogr, *options, tmp_path / file, tmp_path / "again.gpkg")
        assert labels(tmp_path / file, "replace") == (0, 13, 0)
    run(ogr2ogr, "-f", "GeoJSON", "-t_srs", "EPSG:32618", tmp_path / "metres.geojson", copy)
    answer = service.client.post(f"{base}/labels", content=(tmp_path / "metres.geojson").read_bytes())
    assert (answer.status_code, "EPSG:4326" in document(answer)["detail"]) == (422, True)
