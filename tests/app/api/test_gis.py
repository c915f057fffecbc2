"""GDAL, on which QGIS stands, opens the GET forms as layers by their address."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def ogrinfo(program: Path, address: str) -> dict[str, Any]:
    done = subprocess.run([program, "-json", "-so", "-al", address], capture_output=True, text=True, timeout=60, check=True)
    (found,) = json.loads(done.stdout)["layers"]
    layer: dict[str, Any] = found
    return layer


def test_items_and_search_open_as_layers(
    service: Service, layer: tuple[str, list[str]], require_program: Callable[[str], Path]
) -> None:
    program, (name, ids) = require_program("ogrinfo"), layer
    base = str(service.client.base_url.join(f"/collections/{name}"))
    items = ogrinfo(program, f"{base}/items?limit=1000")
    assert items["featureCount"] == 13
    assert {field["name"] for field in items["fields"]} >= {"file_name", "datetime", "labels", "gsd"}
    extent = document(service.client.get(f"/collections/{name}"))["extent"]["spatial"]["bbox"][0]
    assert items["geometryFields"][0]["extent"] == pytest.approx(extent, abs=1e-6)
    found = ogrinfo(program, f"{base}/search?item={ids[0]}&limit=5")
    assert found["featureCount"] == 5
    fields = {field["name"]: field["type"] for field in found["fields"]}
    assert (fields["rank"], fields["score"]) == ("Integer", "Real")
