"""STAC APIs as sources of ingest and schedules: a service reads the tiles of another one, which serves them as STAC."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from app.imagery.sources import stac_queries
from tests.app.api.gis.conftest import Placed
from tests.support.service import Service, document, running_service


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory, service: Service, placed: Placed) -> Iterator[Service]:
    """A service that may read from the service of `placed`."""
    home = tmp_path_factory.mktemp("home")
    with running_service(home, read_roots=str(service.client.base_url)) as running:
        yield running


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stac_queries, "PAGE", 5)


def numbers(service: Service, collection: str) -> list[int]:
    found = document(service.client.get(f"/collections/{collection}/items?limit=100"))["features"]
    return sorted(each["properties"]["n"] for each in found)


def ingest(service: Service, name: str, **body: Any) -> dict[str, Any]:
    service.create(name, model="hog", tile_size=64)
    answer = service.client.post(f"/collections/{name}/items", json=body)
    assert answer.status_code == 201, answer.text
    return service.results(answer)


@pytest.mark.usefixtures("pages")
def test_an_api_is_searched_in_pages(reading: Service, service: Service, placed: Placed) -> None:
    api = f"{service.client.base_url}/"
    result = ingest(reading, "all", href=api, collections=[placed.id])
    assert (result["indexed"], result["rejected"]) == (12, [])
    first = document(reading.client.get("/collections/all/items?limit=1&sortby=n"))["features"][0]
    assert first["properties"]["labels"] == ["river"]
    assert first["properties"]["source"] == f"{api}{placed.id}/{placed.items[0]}#image"
    again = reading.client.post("/collections/all/items", json={"href": api, "collections": [placed.id]})
    assert reading.results(again)["unchanged"] == 12


@pytest.mark.usefixtures("pages")
@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"bbox": [10, 50, 10.32, 51]}, [0, 1, 2, 3]),
        ({"datetime": "2025-02-01/2025-03-31"}, [1, 2]),
        ({"filter": "cloud_cover < 12 AND n > 0"}, [1, 2]),
        ({"filter": {"op": ">", "args": [{"property": "n"}, 9]}, "datetime": "../2025-11-30"}, [10]),
    ],
)
def test_conditions_choose_items(
    reading: Service, service: Service, placed: Placed, condition: dict[str, Any], expected: list[int]
) -> None:
    name = f"some-{abs(hash(json.dumps(condition)))}"
    api = f"{service.client.base_url}/"
    ingest(reading, name, href=api, collections=[placed.id], **condition)
    assert numbers(reading, name) == expected


def test_a_schedule_takes_what_its_filter_accepts(reading: Service, service: Service, placed: Placed) -> None:
    reading.create("scheduled", model="hog", tile_size=64)
    address = "/collections/scheduled/schedule"

    def run(**condition: Any) -> dict[str, Any]:
        source = {"stac": f"{service.client.base_url}/collections/{placed.id}", **condition}
        put = reading.client.put(address, json={"cron": "@yearly", "sources": [source], "on_vanished": "remove"})
        assert (put.status_code, put.json()["sources"]) == (200, [source]), put.text
        return reading.results(reading.client.post(f"{address}/run"))

    assert run(filter="n < 4", bbox=[10, 50, 11, 51])["indexed"] == 4
    assert run(filter="n < 3", bbox=[10, 50, 11, 51])["removed"] == 1
    assert numbers(reading, "scheduled") == [0, 1, 2]


@pytest.mark.parametrize(
    ("condition", "word"),
    [
        ({"filter": "n <"}, "filter"),
        ({"bbox": [1, 2, 3]}, "bbox"),
        ({"datetime": "yesterday"}, "datetime"),
        ({"cloud": 1}, "cloud"),
    ],
)
def test_wrong_conditions_are_refused(reading: Service, service: Service, condition: dict[str, Any], word: str) -> None:
    reading.client.post("/collections", json={"id": "wrong", "model": "hog"})
    href = f"{service.client.base_url}/"
    answer = reading.client.post("/collections/wrong/items", json={"href": href, **condition})
    assert (answer.status_code, word in answer.text) == (422, True), answer.text
    schedule = {"cron": "@yearly", "sources": [{"stac": href, **condition}]}
    answer = reading.client.put("/collections/wrong/schedule", json=schedule)
    assert (answer.status_code, word in answer.text) == (422, True), answer.text


def test_conditions_are_for_stac(reading: Service, service: Service, placed: Placed) -> None:
    schedule = {"cron": "@yearly", "sources": [{"path": "/data", "filter": "n < 1"}]}
    answer = reading.client.put(f"/collections/{placed.id}/schedule", json=schedule)
    assert (answer.status_code, "only for stac" in answer.text) == (422, True)
    image = f"{service.client.base_url}{placed.url}/items/{placed.items[0]}/image"
    result = ingest(reading, "image", href=image, filter="n < 1")
    assert "omit them" in result["rejected"][0]["reason"]
