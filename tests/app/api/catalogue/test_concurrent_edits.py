"""Edits of one tile by several clients: label operations, entity tags, conditional requests."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.support.pictures import striped
from tests.support.service import Service, document


@pytest.fixture
def address(service: Service, fresh: Callable[..., str]) -> str:
    """The address of the one tile of a collection."""
    name = fresh(model="hog")
    (item,) = service.upload(name, {"a.png": striped(0)})["item_ids"]
    return f"/collections/{name}/items/{item}"


def labels(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    found: list[str] = document(answer)["properties"]["labels"]
    return found


def test_labels_are_added_and_removed(service: Service, address: str) -> None:
    patch = service.client.patch
    assert labels(patch(address, json={"labels": {"add": ["a", " b ", "a"]}})) == ["a", "b"]
    assert labels(patch(address, json={"labels": {"add": ["c"], "remove": ["a", "absent"]}})) == ["b", "c"]
    assert labels(patch(address, json={"labels": {"remove": [" c "]}, "properties": {"n": 1}})) == ["b"]
    assert labels(patch(address, json={"labels": {}})) == ["b"]
    assert labels(patch(address, json={"labels": None})) == ["b"]
    assert labels(patch(address, json={"labels": ["x"]})) == ["x"]
    assert labels(service.client.get(address)) == ["x"]


@pytest.mark.parametrize(
    "changes",
    [
        {"add": ["a,b"]},
        {"add": "a"},
        {"add": ["a"], "remove": ["a"]},
        {"add": [str(number) for number in range(65)]},
        {"delete": ["a"]},
        "a",
        7,
    ],
)
def test_invalid_label_changes_are_refused(service: Service, address: str, changes: object) -> None:
    assert service.client.patch(address, json={"labels": changes}).status_code == 422


def test_a_tile_has_at_most_64_labels(service: Service, address: str) -> None:
    service.client.patch(address, json={"labels": [str(number) for number in range(64)]})
    refused = service.client.patch(address, json={"labels": {"add": ["more"]}})
    assert (refused.status_code, refused.json()["errors"][0]["loc"]) == (422, "labels")
    assert "65 labels, more than 64" in refused.json()["detail"]
    assert "more" in labels(service.client.patch(address, json={"labels": {"add": ["more"], "remove": ["0"]}}))


def test_no_label_of_many_threads_is_lost(service: Service, address: str) -> None:
    threads, each = 12, 4  # 48 labels at the end and one more per thread meanwhile: never above the limit of 64
    start = threading.Barrier(threads)

    def work(number: int) -> None:
        with httpx.Client(base_url=service.client.base_url, timeout=120) as client:
            start.wait()
            for step in range(each):
                added = client.patch(address, json={"labels": {"add": [f"{number}-{step}", f"brief {number}"]}})
                assert added.status_code == 200, added.text
                removed = client.patch(
                    address, json={"labels": {"remove": [f"brief {number}"]}, "properties": {f"p{number}": step}}
                )
                assert removed.status_code == 200, removed.text

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    found = document(service.client.get(address))["properties"]
    assert sorted(found["labels"]) == sorted(f"{number}-{step}" for number in range(threads) for step in range(each))
    assert all(found[f"p{number}"] == each - 1 for number in range(threads))


def test_a_tag_identifies_a_version(service: Service, address: str) -> None:
    first = service.client.get(address).headers["etag"]
    assert service.client.get(address).headers["etag"] == first
    patched = service.client.patch(address, json={"labels": ["a"], "properties": {"n": 1.5, "m": [1, {"x": "ä"}]}})
    second = patched.headers["etag"]
    assert second != first
    assert service.client.get(address).headers["etag"] == second
    assert service.client.patch(address, json={"labels": {"add": ["a"]}}).headers["etag"] == second


def test_if_match_refuses_edits_of_another_version(service: Service, address: str) -> None:
    client = service.client
    old = client.get(address).headers["etag"]
    new = client.patch(address, json={"labels": ["a"]}, headers={"If-Match": old}).headers["etag"]
    refused = client.patch(address, json={"labels": ["b"]}, headers={"If-Match": old})
    assert (refused.status_code, refused.headers["content-type"]) == (412, "application/problem+json")
    assert "GET it again" in refused.json()["detail"]
    assert client.patch(address, json={"labels": ["b"]}, headers={"If-Match": f"W/{new}"}).status_code == 412
    assert client.patch(address, json={"labels": ["b"]}, headers={"If-Match": f'"x", {old}'}).status_code == 412
    assert client.delete(address, headers={"If-Match": old}).status_code == 412
    assert labels(client.get(address)) == ["a"]
    assert labels(client.patch(address, json={"labels": ["b"]}, headers={"If-Match": f'"x,y",W/"z" , {new}'})) == ["b"]
    assert labels(client.patch(address, json={"labels": ["c"]}, headers={"If-Match": "*"})) == ["c"]
    lines = [("If-Match", '"x"'), ("If-Match", client.get(address).headers["etag"])]
    assert labels(client.patch(address, json={"labels": ["d"]}, headers=lines)) == ["d"]
    assert client.delete(address, headers={"If-Match": client.get(address).headers["etag"]}).status_code == 204
    assert client.delete(address, headers={"If-Match": "*"}).status_code == 404


@pytest.mark.parametrize("value", ["abc", '"a" "b"', "w/", "", '"a', '*, "a"'])
def test_an_invalid_if_match_is_400(service: Service, address: str, value: str) -> None:
    refused = service.client.patch(address, json={"labels": ["a"]}, headers={"If-Match": value})
    assert (refused.status_code, "If-Match" in refused.json()["detail"]) == (400, True)
    assert labels(service.client.get(address)) == []


def test_if_none_match_saves_the_answer(service: Service, address: str) -> None:
    tag = service.client.get(address).headers["etag"]
    for value in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        answer = service.client.get(address, headers={"If-None-Match": value})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    for value in ('"x"', "malformed"):
        assert service.client.get(address, headers={"If-None-Match": value}).status_code == 200
    thumbnail = service.client.get(f"{address}/thumbnail?size=64").headers["etag"]
    again = service.client.get(f"{address}/thumbnail?size=64", headers={"If-None-Match": f'"x", W/{thumbnail}'})
    assert again.status_code == 304


def test_the_openapi_document_describes_conditions(service: Service) -> None:
    paths = document(service.client.get("/openapi.json"))["paths"]
    item = paths["/collections/{collection_id}/items/{item_id}"]
    names = {verb: [each["name"] for each in item[verb]["parameters"] if each["in"] == "header"] for verb in item}
    assert names == {"get": ["If-None-Match"], "patch": ["If-Match"], "delete": ["If-Match"]}
    assert "412" in item["patch"]["responses"]
    assert "412" in item["delete"]["responses"]
    assert {"ETag"} == item["get"]["responses"]["200"]["headers"].keys()
    schemas = document(service.client.get("/openapi.json"))["components"]["schemas"]
    assert "LabelChanges" in schemas
