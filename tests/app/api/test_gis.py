"""GDAL, on which QGIS stands, opens the GET forms as layers by their address."""

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
