"""Re-indexing, index versions and rollback over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.pictures import striped
from tests.support.service import Service, document

FILES = {f"{angle}-{seed}.png": striped(angle, seed=seed, size=64) for angle in (0, 90) for seed in range(4)}
LABELS = {name: {"labels": [name.split("-")[0]]} for name in FILES}


def reindex(service: Service, collection: str, **inputs: Any) -> dict[str, Any]:
    answer = service.client.post("/processes/reindex/execution", json={"inputs": {"collection": collection, **inputs}})
    assert answer.status_code == 201, answer.text
    return service.results(answer)


def indexes(service: Service, collection: str) -> list[tuple[str, int, bool]]:
    answer = document(service.client.get(f"/collections/{collection}/indexes"))
    return [(each["version"], each["size"], each["live"]) for each in answer["indexes"]]


def test_a_collection_is_re_indexed_and_taken_back(service: Service, fresh: Callable[..., str]) -> None:
    name = fresh(model="hog")
    ids = service.upload(name, FILES, LABELS)["item_ids"]
    before = document(service.client.get(f"/collections/{name}"))
    result = reindex(service, name, model="lbp-rgb", force=True)
    assert (result["switched"], result["index_version"], result["previous_version"]) == (True, "lbp-rgb.1", "hog.1")
    assert result["reason"].startswith("forced, although quality could not be compared")
    after = document(service.client.get(f"/collections/{name}"))
    assert (after["model"], after["index"]["model"], after["index"]["version"]) == ("lbp-rgb", "lbp-rgb", "lbp-rgb.1")
    assert after["index"]["built_at"] > before["index"]["built_at"]
    assert indexes(service, name) == [("lbp-rgb.1", 8, True), ("hog.1", 8, False)]
    service.client.patch(f"/collections/{name}/items/{ids[0]}", json={"labels": ["kept"]})
    service.client.delete(f"/collections/{name}/items/{ids[1]}")
    service.upload(name, {"new.png": striped(45, size=64)})
    rolled = service.client.post(f"/collections/{name}/rollback")
    assert rolled.status_code == 200, rolled.text
    back = document(rolled)
    assert (back["index"]["version"], back["model"], back["item_count"]) == ("hog.1", "hog", 8)
    assert back["index"]["built_at"] == before["index"]["built_at"]
    assert document(service.client.get(f"/collections/{name}/items/{ids[0]}"))["properties"]["labels"] == ["kept"]
    assert service.client.get(f"/collections/{name}/items/{ids[1]}").status_code == 404
    assert indexes(service, name) == [("lbp-rgb.1", 8, False), ("hog.1", 8, True)]


def test_what_cannot_be_compared_waits_for_a_person(service: Service, fresh: Callable[..., str]) -> None:
    name = fresh(model="hog")
    service.upload(name, FILES)
    result = reindex(service, name, model="lbp-rgb")
    assert (result["switched"], result["verdict"]) == (False, "undecided")
    assert (result["index_version"], result["candidate_version"]) == ("hog.1", "lbp-rgb.1")
    found = document(service.client.get(f"/collections/{name}/indexes"))["indexes"]
    newest, live = found
    assert (newest["version"], newest["live"], newest["candidate"], newest["verdict"]) == (
        "lbp-rgb.1",
        False,
        True,
        "undecided",
    )
    assert (newest["reason"], newest["gate"]) == (result["reason"], result["gate"])
    assert (live["version"], live["candidate"], live["verdict"]) == ("hog.1", False, None)
    assert service.client.post(f"/collections/{name}/rollback").status_code == 409
    answer = service.client.post(f"/collections/{name}/rollback", json={"version": "lbp-rgb.1"})
    assert document(answer)["index"]["version"] == "lbp-rgb.1"
    found = document(service.client.get(f"/collections/{name}/indexes"))["indexes"]
    assert [(each["live"], each["candidate"]) for each in found] == [(True, False), (False, False)]


def test_going_back_where_there_is_nothing_older(service: Service, fresh: Callable[..., str]) -> None:
    name = fresh(model="hog")
    answer = service.client.post(f"/collections/{name}/rollback", json={})
    assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
    assert "no index version older than hog.1" in document(answer)["detail"]
    answer = service.client.post(f"/collections/{name}/rollback", json={"version": "hog.9"})
    assert (answer.status_code, "available: hog.1" in document(answer)["detail"]) == (404, True)
    assert service.client.post(f"/collections/{name}/rollback", json={"to": "hog.1"}).status_code == 422
    assert service.client.get("/collections/nowhere/indexes").status_code == 404
    assert service.client.post("/collections/nowhere/rollback").status_code == 404


def test_the_process_says_what_it_takes_and_refuses_the_rest(service: Service, fresh: Callable[..., str]) -> None:
    process = document(service.client.get("/processes/reindex"))
    assert set(process["inputs"]) == {"collection", "model", "margin", "force"}
    name = fresh(model="hog")
    for inputs, status in (
        ({"collection": name, "margin": 2}, 422),
        ({"collection": name, "speed": 1}, 422),
        ({}, 422),
        ({"collection": "nowhere"}, 404),
        ({"collection": name, "model": "nobody"}, 404),
    ):
        answer = service.client.post("/processes/reindex/execution", json={"inputs": inputs})
        assert answer.status_code == status, answer.text
