from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.pictures import striped
from tests.support.service import Service, document


def test_a_new_collection_is_empty_and_has_its_defaults(service: Service) -> None:
    made = service.create("defaults", title="A title", keywords=["a", "b"])
    assert (made["tile_size"], made["stride"], made.get("bands"), made["item_count"]) == (256, 256, None, 0)
    assert made["extent"]["spatial"]["bbox"] == [[-180, -90, 180, 90]]
    assert (made["placed"], made["extent"]["temporal"]) == (False, {"interval": [[None, None]]})
    assert made["index"]["model"] == made["model"]
    assert made["index"]["size"] == 0
    read = document(service.client.get("/collections/defaults"))
    assert read == made
    listed = document(service.client.get("/collections"))["collections"]
    assert made in listed


def test_stride_follows_tile_size(service: Service) -> None:
    assert service.create("strides", tile_size=64)["stride"] == 64


def test_creating_twice_is_a_conflict(service: Service, fresh: Callable[..., str]) -> None:
    answer = service.client.post("/collections", json={"id": fresh()})
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert "exists" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ({"id": "../etc"}, 422, "pattern"),
        ({"id": "x" * 65}, 422, "pattern"),
        ({}, 422, "required"),
        ({"id": "a", "unknown": 1}, 422, "Extra"),
        ({"id": "a", "tile_size": 0}, 422, "tile_size"),
        ({"id": "a", "tile_size": 64, "stride": 65}, 400, "stride"),
        ({"id": "a", "bands": []}, 422, "bands"),
        ({"id": "a", "bands": [1, 2]}, 400, "3 bands"),
        ({"id": "a", "model": "nope"}, 404, "no model"),
        ({"id": "a", "scaling": {"method": "range"}}, 422, "low and high"),
        ({"id": "a", "scaling": {"method": "range", "low": 5, "high": 5}}, 422, "below"),
        ({"id": "a", "scaling": {"method": "percentile", "low": -1}}, 422, "percentile"),
    ],
)
def test_what_cannot_be_created_says_why(service: Service, body: dict[str, Any], status: int, word: str) -> None:
    answer = service.client.post("/collections", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert word in answer.json()["detail"]
    assert service.client.get("/collections/a").status_code == 404


def test_patch_changes_what_it_names(service: Service, fresh: Callable[..., str]) -> None:
    name = fresh(title="before", description="stays")
    after = document(service.client.patch(f"/collections/{name}", json={"title": "after", "tile_size": 128, "stride": 64}))
    assert (after["title"], after["description"], after["tile_size"], after["stride"]) == ("after", "stays", 128, 64)
    assert after["updated"] > after["created"]


def test_an_empty_collection_can_change_its_model(service: Service, fresh: Callable[..., str]) -> None:
    name = fresh(model="hog")
    after = document(service.client.patch(f"/collections/{name}", json={"model": "lbp-rgb"}))
    assert after["index"]["model"] == "lbp-rgb"
    service.upload(name, {"a.png": striped(0)})
    answer = service.client.patch(f"/collections/{name}", json={"model": "hog"})
    assert answer.status_code == 409
    assert "tiles" in answer.json()["detail"]
    assert document(service.client.get(f"/collections/{name}"))["model"] == "lbp-rgb"


def test_delete_removes_vectors_images_and_jobs(service: Service, fresh: Callable[..., str]) -> None:
    name = fresh()
    service.upload(name, {"a.png": striped(0)})
    container = service.container
    assert any(container.blobs.keys(f"collections/{name}/"))
    assert service.client.delete(f"/collections/{name}").status_code == 204
    assert service.client.get(f"/collections/{name}").status_code == 404
    assert not any(container.blobs.keys(f"collections/{name}/"))
    assert not [index for index in container.vectors.indexes() if index.startswith(f"{name}.")]
    assert name not in container.vectors.aliases()
    assert document(service.client.get("/jobs", params={"collection": name}))["jobs"] == []
    assert service.client.delete(f"/collections/{name}").status_code == 404
    assert service.create(name)["item_count"] == 0


def test_delete_removes_what_was_uploaded_for_jobs_that_never_ran(service: Service, fresh: Callable[..., str]) -> None:
    name = fresh()
    many = [("files", (f"{number}.png", striped(number))) for number in range(100)]
    running = document(service.client.post(f"/collections/{name}/items", files=many))["id"]
    waiting = document(service.client.post(f"/collections/{name}/items", files={"files": ("z.png", striped(7))}))["id"]
    assert waiting in service.container.folders.ids()
    assert service.client.delete(f"/collections/{name}").status_code == 204
    assert not {running, waiting} & set(service.container.folders.ids())


def test_extent_spans_the_tiles(service: Service, fresh: Callable[..., str]) -> None:
    name = fresh()
    metadata = {
        "a.png": {"bbox": [10, 50, 11, 51], "datetime": "2019-05-01T00:00:00Z"},
        "b.png": {"bbox": [20, 40, 21, 41], "datetime": "2021-05-01T12:00:00+02:00"},
    }
    service.upload(name, {"a.png": striped(0), "b.png": striped(90), "c.png": striped(45)}, metadata)
    extent = document(service.client.get(f"/collections/{name}"))["extent"]
    assert extent["spatial"]["bbox"] == [[10, 40, 21, 51]]
    assert extent["temporal"]["interval"] == [["2019-05-01T00:00:00Z", "2021-05-01T10:00:00Z"]]


def test_labels_are_counted(service: Service, fresh: Callable[..., str]) -> None:
    name = fresh()
    metadata = {"a.png": {"labels": ["field", "wet"]}, "b.png": {"labels": ["field"]}}
    service.upload(name, {"a.png": striped(0), "b.png": striped(90)}, metadata)
    labels = document(service.client.get(f"/collections/{name}/labels"))["labels"]
    assert labels == [{"value": "field", "count": 2}, {"value": "wet", "count": 1}]
