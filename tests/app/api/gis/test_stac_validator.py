"""stac-api-validator finds no fault but those that docs/gis.md names."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.pictures import striped
from tests.support.service import Service

CLASSES = ("core", "collections", "features", "item-search", "filter", "item-search#sort", "item-search#fields",
           "features#sort", "features#fields")  # fmt: skip
SECONDS = 240
UNREACHED = re.compile(r"ConnectionError|NameResolutionError|ProxyError|Max retries exceeded")
"""Schemas are on the internet; test_stac.py validates the documents with those that pystac contains."""
NAMED = (
    re.compile(r"POST .*/search .* had unexpected status code 422 instead of 400"),
    re.compile(r'body=\{"fields": null\} had unexpected status code 200'),
    re.compile(r"response contained 'properties\.datetime', but should have been excluded"),
    re.compile(r"response contained fewer than 5 fields \['type', 'id', 'geometry', 'properties'\]"),
)
"""Differences that docs/gis.md names and explains."""
AREA = {"type": "Polygon", "coordinates": [[[9, 49], [12, 49], [12, 51], [9, 51], [9, 49]]]}


@pytest.fixture
def collection(service: Service) -> Iterator[str]:
    """Tiles with the properties that the validator filters by."""
    name = f"validated-{uuid4()}"
    service.create(name, model="hog", tile_size=64)
    metadata = {
        f"{number}.png": {
            "bbox": [10 + number / 10, 50, 10.05 + number / 10, 50.05],
            "datetime": f"2025-{number + 1:02}-01T00:00:00Z",
            "properties": {"eo:cloud_cover": number * 10, "mission": "sentinel-2"},
        }
        for number in range(8)
    }
    assert service.upload(name, {f"{number}.png": striped(number) for number in range(8)}, metadata)["indexed"] == 8
    yield name
    service.client.delete(f"/collections/{name}")


def test_it_finds_no_other_fault(service: Service, collection: str, tmp_path: Path) -> None:
    options = {
        "--root-url": str(service.client.base_url).rstrip("/"),
        "--collection": collection,
        "--geometry": json.dumps(AREA),
        "--fields-nested-property": "properties.datetime",
    }
    named = [("--conformance", name) for name in CLASSES]
    command = [str(Path(sys.executable).with_name("stac-api-validator")), *chain(*options.items(), *named)]
    environment = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False, cwd=tmp_path)
    _, found, errors = (done.stdout + done.stderr).partition("Errors:")
    assert found, done.stdout + done.stderr
    faults = [line for line in errors.splitlines() if line.startswith("- ") and not UNREACHED.search(line)]
    assert [fault for fault in faults if not any(each.search(fault) for each in NAMED)] == []
    assert all(any(each.search(fault) for fault in faults) for each in NAMED), (
        faults
    )  # docs/gis.md names nothing that is mended
