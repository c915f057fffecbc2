"""QGIS itself, without a screen, opens collections and saved searches as features, picture tiles, WMTS and vector tiles."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.app.api.gis.conftest import Placed
from tests.support.service import Service

SECONDS = 240
PROGRAM = Path(__file__).parents[3] / "support" / "qgis_layers.py"


@pytest.fixture(scope="module")
def python_of_qgis() -> str:
    """A Python that has PyQGIS; skips by name without one, since it exists for few systems."""
    for candidate in ("/usr/bin/python3", shutil.which("python3")):
        command = [str(candidate), "-c", "import qgis.core"]
        if candidate and subprocess.run(command, capture_output=True, check=False, timeout=SECONDS).returncode == 0:
            return str(candidate)
    pytest.skip("needs PyQGIS (Debian: python3-qgis; `make test` installs it as root)")


@pytest.fixture(scope="module")
def read(python_of_qgis: str, service: Service, placed: Placed, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What QGIS reads of the collection and of a saved search in it."""
    base = str(service.client.base_url).rstrip("/")
    body = {"positives": [placed.items[0]], "title": "Like the first"}
    saved = service.client.post(f"{placed.url}/searches", json=body).json()["id"]
    folder = tmp_path_factory.mktemp("qgis")
    command = [python_of_qgis, str(PROGRAM), base, placed.id, saved, str(folder / "copy.gpkg")]
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def test_it_reads_every_item(read: dict[str, Any], placed: Placed) -> None:
    layer = read["collection"]
    assert layer["valid"], layer
    assert sorted(layer["ids"]) == sorted(placed.items)
    assert layer["west"] == 6
    assert layer["fields"]["cloud_cover"] == "Real"
    assert layer["fields"]["datetime"] == "DateTime"
    assert layer["extent"] == pytest.approx([10, 50, 11.15, 50.05], abs=1e-6)


def test_a_saved_search_is_a_layer_in_the_order_of_the_ranks(read: dict[str, Any], placed: Placed) -> None:
    layer = read["search"]
    assert layer["valid"], layer
    assert sorted(layer["ids"]) == sorted(placed.items[1:])
    assert layer["ranks"] == list(range(1, 12))
    assert read["copied"] == 11


@pytest.mark.parametrize("layer", ["imagery", "similarity", "wmts", "footprints"])
def test_map_tiles_are_painted(read: dict[str, Any], layer: str) -> None:
    """Tiles cover 12 of 23 twentieths of the extent."""
    assert read[layer]["valid"], read[layer]
    assert read[layer]["crs"] == "EPSG:3857"
    assert 0.3 < read[layer]["share"] < 0.7, read[layer]
    assert read[layer]["colours"] > 1
