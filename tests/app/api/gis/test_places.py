"""Searches by place: the window of the scene at a point or in a region, or the tile that covers it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.app.api.gis.conftest import Placed
from tests.support import images
from tests.support.service import Service, document


class SceneLayer(NamedTuple):
    """A collection of the tiles of one scene, 4 rows of 4 tiles of 64 pixels."""

    url: str
    centres: dict[str, tuple[float, float]]


@pytest.fixture
def scene(service: Service, fresh: Callable[..., str], folder: Path) -> SceneLayer:
    name = fresh(tile_size=64)
    file = images.rgb_tif(folder / "scene_20200831.tif", 256, 256)
    service.results(service.client.post(f"/collections/{name}/items", json={"href": str(file)}))
    features = document(service.client.get(f"/collections/{name}/items?limit=100"))["features"]
    assert len(features) == 16
    centres = {}
    for each in features:
        ring = each["geometry"]["coordinates"][0]
        centres[each["id"]] = (sum(x for x, _ in ring[:4]) / 4, sum(y for _, y in ring[:4]) / 4)
    return SceneLayer(f"/collections/{name}", centres)


def best(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    feature: dict[str, Any] = document(answer)["features"][0]
    return feature


def test_the_window_at_the_centre_of_a_tile_is_that_tile(service: Service, scene: SceneLayer) -> None:
    for item, (lon, lat) in list(scene.centres.items())[:3]:
        found = best(service.client.get(f"{scene.url}/search", params={"point": f"{lon},{lat}"}))
        assert (found["id"], found["properties"]["similarity"]) == (item, pytest.approx(1, abs=2e-3))
        by_body = best(service.client.post(f"{scene.url}/search", json={"point": [lon, lat]}))
        assert by_body["id"] == item


def test_a_region_and_many_places(service: Service, scene: SceneLayer) -> None:
    (first, at), (second, other) = list(scene.centres.items())[:2]
    item = document(service.client.get(f"{scene.url}/items/{first}"))
    assert best(service.client.post(f"{scene.url}/search", json={"region": item["geometry"]}))["id"] == first
    many = service.client.post(f"{scene.url}/search", json={"places": [list(at), {"type": "Point", "coordinates": other}]})
    assert {each["id"] for each in document(many)["features"][:2]} == {first, second}
    away = service.client.post(f"{scene.url}/search", json={"point": list(at), "negative_places": [list(other)], "limit": 16})
    assert document(away)["features"][-1]["id"] != first
    pages = service.client.post(f"{scene.url}/search", json={"point": list(at), "limit": 3})
    link = next(each for each in document(pages)["links"] if each["rel"] == "next")
    assert best(service.client.post(link["href"], json=link["body"]))["properties"]["rank"] == 4


def test_without_a_scene_it_is_the_covering_tile(service: Service, placed: Placed) -> None:
    answer = service.client.get(f"{placed.url}/search", params={"point": "10.32,50.02", "limit": 20})
    assert placed.items[3] not in {each["id"] for each in document(answer)["features"]}
    same = service.client.get(f"{placed.url}/search", params={"item": placed.items[3], "limit": 20})
    assert [each["id"] for each in document(answer)["features"]] == [each["id"] for each in document(same)["features"]]


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("point=0,0", 404, "no tile covers the place 0, 0"),
        ("point=10.32,50.02&datetime=1999-01-01", 404, "at this time"),
        ("point=north", 400, "longitude,latitude"),
        ("point=500,0", 400, "point"),
        ("point=1,2&item=00000000-0000-4000-8000-000000000000", 400, "not both"),
        ("limit=3", 400, "send item=ID or point"),
    ],
)
def test_wrong_places_are_named(service: Service, placed: Placed, query: str, status: int, said: str) -> None:
    answer = service.client.get(f"{placed.url}/search?{query}")
    assert (answer.status_code, said in document(answer)["detail"]) == (status, True), answer.text
