from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tests.support.pictures import striped
from tests.support.service import Service, document

ANGLES = (0, 15, 30, 45, 60, 75, 90, 105)


@pytest.fixture(scope="module")
def archive(service: Service) -> tuple[str, dict[str, str]]:
    """A collection of stripes, at places along the equator, a year apart; ids by file name."""
    service.create("stripes", model="hog")
    files, metadata = {}, {}
    for number, angle in enumerate(ANGLES):
        for seed in range(3):
            name = f"s{angle:03d}-{seed}.png"
            files[name] = striped(angle, seed=seed)
            metadata[name] = {
                "bbox": [number, seed, number + 0.5, seed + 0.5],
                "datetime": f"{2010 + number}-06-01T00:00:00Z",
                "labels": ["even" if number % 2 == 0 else "odd", f"angle-{angle}"],
            }
    service.upload("stripes", files, metadata)
    features = document(service.client.get("/collections/stripes/items", params={"limit": 1000}))["features"]
    return "stripes", {feature["properties"]["file_name"]: feature["id"] for feature in features}


def search(service: Service, collection: str, image: bytes | None = None, **query: Any) -> dict[str, Any]:
    if image is None:
        answer = service.client.post(f"/collections/{collection}/search", json=query)
    else:
        parts = {"image": ("query.png", image)}
        answer = service.client.post(f"/collections/{collection}/search", files=parts, data={"query": json.dumps(query)})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/geo+json"
    return document(answer)


def names(answer: dict[str, Any]) -> list[str]:
    return [feature["properties"]["file_name"] for feature in answer["features"]]


def test_an_uploaded_tile_finds_its_like(service: Service, archive: tuple[str, dict[str, str]]) -> None:
    answer = search(service, archive[0], striped(45, seed=0), limit=3)
    assert names(answer)[0] == "s045-0.png"
    assert sorted(names(answer)) == ["s045-0.png", "s045-1.png", "s045-2.png"]
    first = answer["features"][0]
    assert first["properties"]["score"] == pytest.approx(1, abs=1e-5)
    assert [feature["properties"]["rank"] for feature in answer["features"]] == [1, 2, 3]
    assert first["geometry"]["type"] == "Polygon"
    assert {link["rel"] for link in first["links"]} >= {"thumbnail", "self"}
    assert (answer["number_matched"], answer["number_returned"]) == (24, 3)
    assert (answer["model"], answer["index_version"]) == ("hog", "hog.1")
    assert set(answer["timings_ms"]) == {"decode", "embed", "search", "rerank", "total"}
    assert answer["timings_ms"]["embed"] > 0
    assert {link["rel"] for link in answer["links"]} >= {"self", "next", "root"}


def test_a_tile_is_not_its_own_result(service: Service, archive: tuple[str, dict[str, str]]) -> None:
    collection, ids = archive
    answer = document(
        service.client.get(f"/collections/{collection}/search", params={"item": ids["s030-1.png"], "limit": 1000})
    )
    assert len(names(answer)) == 23 == answer["number_matched"]
    assert "s030-1.png" not in names(answer)
    assert sorted(names(answer)[:2]) == ["s030-0.png", "s030-2.png"]


def test_scores_are_the_cosines_of_the_embeddings(service: Service, archive: tuple[str, dict[str, str]]) -> None:
    collection, ids = archive
    vectors, index = service.container.vectors, service.container.collections.live(collection).index
    answer = search(service, collection, positives=[ids["s000-0.png"]], limit=1000)
    found = [feature["id"] for feature in answer["features"]]
    query = vectors.retrieve_vectors(index, [ids["s000-0.png"]]).embedding[0]
    cosines = vectors.retrieve_vectors(index, found).embedding @ query
    scores = [feature["properties"]["score"] for feature in answer["features"]]
    np.testing.assert_allclose(scores, cosines, atol=1e-5)
    assert scores == sorted(scores, reverse=True)


def test_negatives_push_their_like_down(service: Service, archive: tuple[str, dict[str, str]]) -> None:
    collection, ids = archive
    positives = [ids["s000-0.png"], ids["s090-0.png"]]
    plain = names(search(service, collection, positives=positives, limit=22))
    refined = names(search(service, collection, positives=positives, negatives=[ids["s090-1.png"]], limit=22))
    assert "s090-1.png" not in refined
    assert refined.index("s090-2.png") > plain.index("s090-2.png")
    assert sorted(refined[:2]) == ["s000-1.png", "s000-2.png"]


def test_an_upload_is_refined_by_positives_and_negatives(service: Service, archive: tuple[str, dict[str, str]]) -> None:
    collection, ids = archive
    answer = search(
        service, collection, striped(0, seed=9), positives=[ids["s015-0.png"]], negatives=[ids["s090-0.png"]], limit=5
    )
    assert set(names(answer)) == {"s000-0.png", "s000-1.png", "s000-2.png", "s015-1.png", "s015-2.png"}


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ({"labels": ["angle-60", "angle-75"]}, {"s060", "s075"}),
        ({"bbox": [1.9, 0.9, 3.1, 1.1]}, {"s030-1", "s045-1"}),
        ({"datetime": "2012-01-01/2013-12-31"}, {"s030", "s045"}),
        ({"datetime": "../2010-12-31T00:00:00Z"}, {"s000"}),
        ({"bbox": [-1, -1, 9, 0.1], "labels": ["odd"], "datetime": "2013-01-01/.."}, {"s045-0", "s075-0", "s105-0"}),
        (
            {
                "intersects": {
                    "type": "Polygon",
                    "coordinates": [
                        [[-1, -1], [9, -1], [9, 9], [-1, 9], [-1, -1]],
                        [[0.9, -0.5], [8.5, -0.5], [8.5, 8], [0.9, 8], [0.9, -0.5]],
                    ],
                }
            },
            {"s000"},
        ),
    ],
)
def test_filters_hold(
    service: Service, archive: tuple[str, dict[str, str]], filter: dict[str, Any], expected: set[str]
) -> None:
    collection, ids = archive
    qualifying = {name for name in ids if any(name.startswith(prefix) for prefix in expected)}
    answer = search(service, collection, striped(20), limit=1000, **filter)
    assert set(names(answer)) == qualifying
    assert answer["number_matched"] == len(qualifying)


def test_the_get_form_takes_every_filter(service: Service, archive: tuple[str, dict[str, str]]) -> None:
    collection, ids = archive
    parameters = {"item": ids["s000-0.png"], "bbox": "-1,-1,9,0.1", "datetime": "2011-01-01/..", "labels": "even,nothing"}
    answer = document(service.client.get(f"/collections/{collection}/search", params=parameters))
    assert sorted(names(answer)) == ["s030-0.png", "s060-0.png", "s090-0.png"]


def test_pages_of_both_forms_join_to_the_whole(service: Service, archive: tuple[str, dict[str, str]]) -> None:
    collection, ids = archive
    address = f"/collections/{collection}/search"
    whole = names(search(service, collection, positives=[ids["s000-0.png"]], limit=1000))
    got, page = [], document(service.client.get(address, params={"item": ids["s000-0.png"], "limit": 5}))
    posted: list[str] = []
    body: dict[str, Any] = {"positives": [ids["s000-0.png"]], "limit": 7}
    while True:
        got += names(page)
        following = [link["href"] for link in page["links"] if link["rel"] == "next"]
        if not following:
            break
        page = document(service.client.get(following[0]))
        assert page["features"][0]["properties"]["rank"] == len(got) + 1
    while True:
        page = search(service, collection, **body)
        posted += names(page)
        links = [link for link in page["links"] if link["rel"] == "next"]
        if not links:
            break
        assert links[0]["method"] == "POST"
        body = links[0]["body"]
    assert got == posted == whole


def test_limit_is_clamped(service: Service, archive: tuple[str, dict[str, str]]) -> None:
    collection, ids = archive
    assert len(names(search(service, collection, positives=[ids["s000-0.png"]], limit=100_000))) == 23


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ({}, 400, "upload an image"),
        ({"positives": ["not-a-uuid"]}, 400, "UUID"),
        ({"positives": ["00000000-0000-0000-0000-000000000000"]}, 404, "00000000"),
        ({"limit": 0}, 422, "limit"),
        ({"unknown": 1}, 422, "unknown"),
        ({"bbox": [0, 0, 1, 1], "intersects": {"type": "Point", "coordinates": [0, 0]}}, 400, "exclude each other"),
        ({"bbox": [0, 5, 1, 1]}, 400, "south"),
        ({"bbox": [0, 1]}, 400, "four numbers"),
        ({"intersects": {"type": "Blob"}}, 400, "GeoJSON"),
        ({"intersects": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]}}, 400, "intersection"),
        ({"datetime": "yesterday"}, 400, "RFC 3339"),
        ({"datetime": "../.."}, 400, "at least one end"),
        ({"datetime": "2020-01-01/2019-01-01"}, 400, "before it starts"),
        ({"token": "garbage"}, 400, "token"),
        ({"min_probability": 0.5}, 400, "no matcher"),
        ({"min_probability": 2}, 422, "min_probability"),
    ],
)
def test_wrong_queries_say_why(
    service: Service, archive: tuple[str, dict[str, str]], body: dict[str, Any], status: int, word: str
) -> None:
    if "min_probability" in body or "token" in body:
        body = {**body, "positives": [next(iter(archive[1].values()))]}
    answer = service.client.post(f"/collections/{archive[0]}/search", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert word in answer.json()["detail"]


@pytest.mark.parametrize(("data", "word"), [(b"", "empty"), (b"hello", "not an image"), (striped(0)[:300], "")])
def test_what_is_no_image_is_415(service: Service, archive: tuple[str, dict[str, str]], data: bytes, word: str) -> None:
    answer = service.client.post(f"/collections/{archive[0]}/search", files={"image": ("x.png", data)})
    assert answer.status_code == 415
    assert word in answer.json()["detail"]


def test_unknown_collections_are_404(service: Service) -> None:
    for answer in (
        service.client.post("/collections/nowhere/search", json={"positives": []}),
        service.client.get("/collections/nowhere/search", params={"item": "00000000-0000-0000-0000-000000000000"}),
        service.client.get("/collections/nowhere/items"),
    ):
        assert answer.status_code == 404
        assert "nowhere" in answer.json()["detail"]
