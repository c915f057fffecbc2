"""GDAL, the library that QGIS uses, opens the GET routes as layers."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rasterio
from pystac.extensions.projection import ProjectionExtension
from pystac_client import Client

from tests.support import images
from tests.support.service import Service, document

DRAW = """
import sys
import numpy as np
from rio_tiler.io import STACReader
pictures = []
for address in sys.argv[2:]:
    with STACReader(address, include_assets={"image"}) as reader:
        pictures.append(reader.preview(assets=["image"], max_size=None).array.data)
np.save(sys.argv[1], pictures)
"""
"""A program of its own, since GDAL of this process also serves the pictures."""


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


def test_stacit_mosaics_the_images_of_the_tiles(
    service: Service, layer: tuple[str, list[str]], require_program: Callable[[str], Path], tmp_path: Path
) -> None:
    """The mosaic of the 12 tiles is the scene that they were cut from, in its place; the tile without a place is left out."""
    base = str(service.client.base_url).rstrip("/")
    target = tmp_path / "mosaic.tif"
    source = f'STACIT:"{base}/search?collections={layer[0]}&limit=100":asset=image'
    command = [str(require_program("gdal_translate")), source, str(target)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    with rasterio.open(tmp_path / "scene_20200831.tif") as scene, rasterio.open(target) as mosaic:
        assert mosaic.crs == scene.crs
        assert mosaic.transform.almost_equals(scene.transform, 1e-6)
        assert np.array_equal(mosaic.read(), scene.read())


def test_pystac_reads_the_projection_of_an_image(service: Service, layer: tuple[str, list[str]], tmp_path: Path) -> None:
    client = Client.open(str(service.client.base_url))
    items = list(client.search(collections=[layer[0]], filter="file_name = 'scene_20200831.tif'").items())
    assert len(items) == 12
    with rasterio.open(tmp_path / "scene_20200831.tif") as scene:
        transform, epsg = scene.transform, scene.crs.to_epsg()
    for item in items:
        place = ProjectionExtension.ext(item.assets["image"])
        col, row, width, height = (int(part) for part in item.properties["window"].split(","))
        (west, north), (east, south) = transform @ (col, row), transform @ (col + width, row + height)
        assert (place.epsg, place.shape) == (epsg, [height, width])
        assert place.transform == pytest.approx([transform.a, 0, west, 0, transform.e, north])
        assert place.bbox == pytest.approx([west, south, east, north])
        assert item.assets["image"].extra_fields["raster:spatial_resolution"] == item.properties["gsd"]
        assert [name.split("/")[3] for name in item.stac_extensions] == ["projection", "raster"]
    plain = next(client.search(collections=[layer[0]], filter="file_name = 'plain.png'").items())
    assert not plain.ext.has("proj")


def test_rio_tiler_draws_from_the_images_of_items(service: Service, layer: tuple[str, list[str]], tmp_path: Path) -> None:
    name, ids = layer
    with rasterio.open(tmp_path / "scene_20200831.tif") as scene:
        expected = scene.read()
    addresses = [str(service.client.base_url.join(f"/collections/{name}/items/{item_id}")) for item_id in ids]
    windows = [service.client.get(address).json()["properties"].get("window") for address in addresses]
    placed = {address: window for address, window in zip(addresses, windows, strict=True) if window}
    command = [sys.executable, "-W", "ignore", "-c", DRAW, str(tmp_path / "drawn.npy"), *placed]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    for drawn, window in zip(np.load(tmp_path / "drawn.npy"), placed.values(), strict=True):
        col, row, width, height = (int(part) for part in window.split(","))
        assert np.array_equal(drawn, expected[:, row : row + height, col : col + width])
