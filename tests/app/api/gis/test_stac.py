"""The service is a STAC API: pystac-client drives it, and its documents are valid STAC 1.1."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pystac
import pytest
from pystac_client import Client, CollectionClient

from tests.app.api.gis.conftest import Placed
from tests.support.pictures import striped
from tests.support.service import Service, document


@pytest.fixture
def other(service: Service, fresh: Callable[..., str]) -> str:
    """A second collection, with one tile without place and time."""
    name = fresh(model="hog", tile_size=64)
    service.upload(name, {"plain.png": striped(45)})
    return name


@pytest.fixture
def client(service: Service, placed: Placed) -> Client:
    return Client.open(str(service.client.base_url))


def collection_of(client: Client, name: str) -> CollectionClient:
    found = client.get_collection(name)
    assert isinstance(found, CollectionClient)
    return found


def numbers(items: Iterator[pystac.Item]) -> list[int]:
    return [item.properties["n"] for item in items]


def test_the_catalogue_is_read(service: Service, client: Client, placed: Placed, other: str) -> None:
    for name in ("COLLECTIONS", "ITEM_SEARCH", "FILTER", "SORT", "FIELDS", "QUERY"):
        assert client.conforms_to(name), name
    ids = {each.id for each in client.get_collections()}
    assert {placed.id, other} <= ids
    collection = collection_of(client, placed.id)
    assert collection.extent.spatial.bboxes[0] == pytest.approx([10, 50, 11.15, 50.05])
    assert collection.license == "other"
    items = list(collection.get_items())
    assert len(items) == 12
    assert {link.rel for link in items[0].links} >= {"self", "collection", "parent", "root"}
    assert httpx.get(items[0].assets["image"].href).content[:4] == b"\x89PNG"
    plain = next(collection_of(client, other).get_items())
    assert (plain.datetime, plain.geometry) == (None, None)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_items_are_searched(client: Client, placed: Placed, other: str, method: str) -> None:
    def found(**query: Any) -> list[int]:
        return numbers(client.search(method=method, collections=[placed.id], limit=5, **query).items())

    assert sorted(found()) == list(range(12))
    assert sorted(found(bbox=[10, 50, 10.32, 51])) == [0, 1, 2, 3]
    assert found(datetime="2025-02-01/2025-03-31", sortby="-datetime") == [2, 1]
    point = {"type": "Point", "coordinates": [10.52, 50.02]}
    assert found(intersects=point) == [5]
    assert found(ids=placed.items[4:6], sortby="+properties.n") == [4, 5]
    assert found(ids=["S2A_33UVP_20200831", placed.items[4]]) == [4], "an id of another catalogue is one of no item"
    assert found(ids=["S2A_33UVP_20200831"]) == []
    assert found(sortby=[{"field": "properties.n", "direction": "desc"}], max_items=7) == [11, 10, 9, 8, 7, 6, 5]
    assert found(filter="cloud_cover < 12", filter_lang="cql2-text", sortby="n") == [0, 1, 2]
    as_json = {"op": "<", "args": [{"property": "cloud_cover"}, 12]}
    assert found(filter=as_json, filter_lang="cql2-json", sortby="n") == [0, 1, 2]
    assert found(query={"n": {"gte": 10}, "platform": {"startsWith": "sentinel"}}) == [10] if method == "POST" else True


def test_all_collections_are_searched_in_pages(service: Service, client: Client, placed: Placed, other: str) -> None:
    everything = [item.id for item in client.search(collections=[placed.id, other], limit=2).items()]
    assert len(everything) == len(set(everything)) == 13
    search = client.search(collections=[placed.id, other], limit=3, sortby="-n")
    assert [item.properties.get("n") for item in search.items()] == [*range(11, -1, -1), None]
    assert search.matched() == 13
    assert service.client.get("/search?limit=1").json()["numberMatched"] >= 13


def test_the_requests_of_the_stac_dialog_of_qgis(service: Service, placed: Placed) -> None:
    """Those of the data source manager of QGIS 3.42: catalogue, collections, item search by GET, pages, one asset by ranges."""
    get = service.client.get
    root = document(get("/"))
    assert root["type"] == "Catalog"
    assert any(name.endswith("/item-search") for name in root["conformsTo"])
    address = {link["rel"]: link["href"] for link in root["links"] if link["rel"] in ("data", "search")}
    listed = document(get(address["data"]))
    assert placed.id in {each["id"] for each in listed["collections"]}
    query = {
        "collections": placed.id,
        "bbox": "9.5,49.5,10.62,50.5",
        "datetime": "2025-02-01T00:00:00.000Z/2025-12-31T23:59:59.999Z",
        "limit": "3",
    }
    page = document(get(address["search"], params=query))
    found = list(page["features"])
    while following := [link["href"] for link in page["links"] if link["rel"] == "next"]:
        page = document(get(following[0]))
        found += page["features"]
    assert sorted(each["properties"]["n"] for each in found) == [1, 2, 3, 4, 5, 6]
    image = get(found[0]["assets"]["image"]["href"], headers={"Range": "bytes=0-7"})
    assert (image.status_code, len(image.content)) == (206, 8)


def test_fields_of_items(client: Client, placed: Placed) -> None:
    found = client.search(collections=[placed.id], max_items=1, fields=["id", "properties.n", "-links"]).items_as_dicts()
    first = next(iter(found))
    assert ({*first["properties"]}, "links" in first) == ({"n"}, False)


def test_documents_are_valid(service: Service, client: Client, placed: Placed, other: str, fresh: Callable[..., str]) -> None:
    banded = fresh(model="hog", bands=[3, "green", 1])
    assert service.client.get(f"/collections/{banded}").json()["bands"] == [3, "green", 1], "the contract of the API"
    client = Client.open(str(service.client.base_url))
    assert collection_of(client, banded).to_dict()["bands"] == [{"name": "3"}, {"name": "green"}, {"name": "1"}]
    next(each for each in client.get_collections() if each.id == banded).validate()
    next(each for each in client.get_children() if each.id == banded).validate()
    for stac in (collection_of(client, placed.id), collection_of(client, other), collection_of(client, banded)):
        stac.validate()
        for item in stac.get_items():
            item.validate()
            break
    root = pystac.Catalog.from_dict(document(service.client.get("/")))
    root.validate()


def test_what_the_validator_of_stac_apis_demands(service: Service, placed: Placed) -> None:
    """Requests of stac-api-validator 0.6.8, which found these faults."""

    def found(**query: Any) -> tuple[int, int | None]:
        answer = service.client.get("/search", params={"collections": placed.id, **query})
        return answer.status_code, document(answer).get("numberMatched")

    assert found(filter=f"collection = '{placed.id}' AND n < 2") == (200, 2)
    assert found(filter=f"collection <> '{placed.id}'") == (200, 0)
    assert found(filter=f"collection = '{placed.id}'", sortby="-n") == (200, 12)
    assert found(datetime="2025-01-01t00:00:00.000z") == (200, 1)
    for wrong in ("2025-01-01", "2025-01-01T00:00:00", "2025-01-01T00:00:00+0100", "2025-01-01T00:00:00.Z", "../2025-01-01"):
        assert found(datetime=wrong)[0] == 400, wrong
    items = service.client.get(f"/stac/collections/{placed.id}/items", params={"limit": 3})
    assert len(document(items)["features"]) == 3
    assert service.client.get(f"/stac/collections/{placed.id}/items/{placed.items[0]}").status_code == 200
    assert service.client.get(f"/stac/collections/{placed.id}/nothing").status_code == 404
    between = {"op": "between", "args": [{"property": "n"}, [0, 3]]}
    posted = service.client.post("/search", json={"filter": between, "collections": placed.id})
    assert document(posted)["numberMatched"] == 4
    assert service.client.post("/search", json={"bbox": [0, 0, 0, 1, 1, 1, 1]}).status_code == 400
    both = {"include": ["geometry", "properties.n"], "exclude": ["geometry", "properties"]}
    (first,) = document(service.client.post("/search", json={"ids": placed.items[:1], "fields": both}))["features"]
    assert (first["geometry"] is not None, first["properties"]) == (True, {"n": 0})


def test_wrong_searches_are_named(service: Service, placed: Placed) -> None:
    for query, said in (
        ("collections=none", "none"),
        ("bbox=1,2,3", "bbox"),
        ("filter=cloudcover=1", "cloud_cover"),
        ("query={", "query"),
        ('query={"n":{"near":1}}', "near"),
        ("token=x", "token"),
        ("nonsense=1", "nonsense"),
    ):
        answer = service.client.get(f"/search?{query}")
        assert (answer.status_code, said in document(answer)["detail"]) == (404 if "none" in said else 400, True), answer.text
    assert service.client.post("/search", json={"nonsense": 1}).status_code == 422
