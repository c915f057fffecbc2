from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from PIL import Image

from tests.support.pictures import striped
from tests.support.service import Service, document


@pytest.fixture
def tiles(service: Service, fresh: Callable[..., str]) -> tuple[str, list[str]]:
    """A collection of five tiles, with their ids."""
    name = fresh()
    results = service.upload(name, {f"t{number}.png": striped(20 * number) for number in range(5)})
    return name, sorted(results["item_ids"])


def test_paging_neither_repeats_nor_loses(service: Service, tiles: tuple[str, list[str]]) -> None:
    name, ids = tiles
    page = document(service.client.get(f"/collections/{name}/items", params={"limit": 2}))
    seen = []
    while True:
        assert page["number_matched"] == page["numberMatched"] == 5
        assert page["number_returned"] == len(page["features"])
        seen += [feature["id"] for feature in page["features"]]
        following = [link["href"] for link in page["links"] if link["rel"] == "next"]
        if not following:
            break
        page = document(service.client.get(following[0]))
    assert seen == ids


def test_ids_select(service: Service, tiles: tuple[str, list[str]]) -> None:
    name, ids = tiles
    wanted = [ids[3], ids[1]]
    page = document(service.client.get(f"/collections/{name}/items", params={"ids": ",".join(wanted)}))
    assert [feature["id"] for feature in page["features"]] == sorted(wanted)


def test_a_tile_without_a_place_has_a_null_geometry(service: Service, tiles: tuple[str, list[str]]) -> None:
    name, ids = tiles
    answer = service.client.get(f"/collections/{name}/items/{ids[0]}")
    assert answer.headers["content-type"] == "application/geo+json"
    item = document(answer)
    assert (item["type"], item["geometry"], item["properties"]["datetime"]) == ("Feature", None, None)


def test_labels_and_properties_are_patched(service: Service, tiles: tuple[str, list[str]]) -> None:
    name, ids = tiles
    address = f"/collections/{name}/items/{ids[0]}"
    patched = document(service.client.patch(address, json={"labels": ["b", "a", "b"], "properties": {"sure": True, "n": 1}}))
    assert patched["properties"]["labels"] == ["b", "a"]
    patched = document(service.client.patch(address, json={"properties": {"n": None}}))
    assert (patched["properties"]["labels"], patched["properties"]["sure"]) == (["b", "a"], True)
    assert "n" not in patched["properties"]
    found = document(service.client.get(f"/collections/{name}/items", params={"labels": "a,zzz"}))["features"]
    assert [feature["id"] for feature in found] == [ids[0]]


@pytest.mark.parametrize(
    "body", [{"labels": [""]}, {"labels": ["a,b"]}, {"labels": "a"}, {"geometry": None}, {"labels": ["x"] * 65}]
)
def test_wrong_patches_are_422(service: Service, tiles: tuple[str, list[str]], body: dict[str, object]) -> None:
    name, ids = tiles
    assert service.client.patch(f"/collections/{name}/items/{ids[0]}", json=body).status_code == 422


def test_delete_removes_the_tile_and_its_image(service: Service, tiles: tuple[str, list[str]]) -> None:
    name, ids = tiles
    before = len(list(service.container.blobs.keys(f"collections/{name}/")))
    assert service.client.delete(f"/collections/{name}/items/{ids[0]}").status_code == 204
    assert service.client.get(f"/collections/{name}/items/{ids[0]}").status_code == 404
    assert service.client.delete(f"/collections/{name}/items/{ids[0]}").status_code == 404
    assert len(list(service.container.blobs.keys(f"collections/{name}/"))) == before - 1
    assert document(service.client.get(f"/collections/{name}"))["item_count"] == 4


def test_image_gives_the_original_bytes(service: Service, fresh: Callable[..., str]) -> None:
    name, data = fresh(), striped(33, form="JPEG")
    item = service.upload(name, {"a b.jpg": data})["item_ids"][0]
    answer = service.client.get(f"/collections/{name}/items/{item}/image")
    assert (answer.content, answer.headers["content-type"]) == (data, "image/jpeg")
    assert 'filename="a b.jpg"' in answer.headers["content-disposition"]


def test_thumbnails_fit_and_are_cached_by_tag(service: Service, tiles: tuple[str, list[str]]) -> None:
    name, ids = tiles
    address = f"/collections/{name}/items/{ids[0]}/thumbnail"
    answer = service.client.get(address, params={"size": 64})
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert picture.size == (64, 64)
        assert f"image/{str(picture.format).lower()}" == answer.headers["content-type"]
    again = service.client.get(address, params={"size": 64}, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert service.client.get(address, params={"size": 5}).status_code == 400


@pytest.mark.parametrize("item", ["nope", "00000000-0000-0000-0000-000000000000"])
def test_unknown_items_are_404(service: Service, fresh: Callable[..., str], item: str) -> None:
    name = fresh()
    for path in ("", "/thumbnail", "/image"):
        answer = service.client.get(f"/collections/{name}/items/{item}{path}")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
