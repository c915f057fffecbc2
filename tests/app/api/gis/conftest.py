"""A collection of placed tiles with properties of their own, for the tests of GIS clients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from uuid import uuid4

import pytest

from tests.support.pictures import striped
from tests.support.service import Service

PLATFORMS = ("sentinel-2a", "sentinel-2b", None)


class Placed(NamedTuple):
    """A collection of 12 tiles in a row along 50 degrees north, the tile N at N tenths of a degree east of 10."""

    id: str
    items: list[str]
    url: str


@pytest.fixture(scope="module")
def placed(service: Service) -> Iterator[Placed]:
    name = f"placed-{uuid4()}"
    service.create(name, model="hog", tile_size=64)
    metadata = {}
    for number in range(12):
        properties = {"cloud_cover": number * 5 if number % 2 else number * 5.5, "platform": PLATFORMS[number % 3], "n": number}
        metadata[f"{number}.png"] = {
            "bbox": [10 + number / 10, 50, 10.05 + number / 10, 50.05],
            "datetime": f"2025-{number + 1:02}-01T00:00:00Z",
            "labels": ["river" if number < 4 else "town"],
            "properties": {key: value for key, value in properties.items() if value is not None},
        }
    result = service.upload(name, {f"{number}.png": striped(number) for number in range(12)}, metadata)
    assert result["indexed"] == 12, result
    listed = service.client.get(f"/collections/{name}/items?limit=100").json()["features"]
    by_number = {each["properties"]["n"]: each["id"] for each in listed}
    yield Placed(name, [by_number[number] for number in range(12)], f"/collections/{name}")
    service.client.delete(f"/collections/{name}")
