"""What the service declares is what a client can do: formats, systems, heads, ranges, compression, links and schemas."""

from __future__ import annotations

import json
from typing import Any

import pytest
from owslib.ogcapi.features import Features

from tests.app.api.gis.conftest import Placed
from tests.support.service import Service, document

EPSG3857 = "http://www.opengis.net/def/crs/EPSG/0/3857"
EPSG4326 = "http://www.opengis.net/def/crs/EPSG/0/4326"


def links_of(value: Any) -> list[dict[str, Any]]:
    """All links in a document."""
    if isinstance(value, list):
        return [link for each in value for link in links_of(each)]
    if not isinstance(value, dict):
        return []
    return [*value.get("links", ()), *(link for key, each in value.items() if key != "links" for link in links_of(each))]


def test_no_link_has_a_null_and_every_get_has_a_head(service: Service, placed: Placed) -> None:
    paths = ["/", "/collections", "/processes", "/processes/reindex", "/jobs", "/models", "/conformance"]
    paths += [placed.url, *(f"{placed.url}/{name}" for name in ("items", "schema", "queryables", "indexes", "labels"))]
    paths += [f"{placed.url}/search?item={placed.items[0]}", f"{placed.url}/items/{placed.items[0]}"]
    for path in paths:
        answer = service.client.get(path)
        assert answer.status_code == 200, (path, answer.text)
        assert all(None not in link.values() for link in links_of(answer.json())), path
        head = service.client.head(path)
        assert (head.status_code, head.content) == (200, b""), path
        assert head.headers["content-type"] == answer.headers["content-type"]
    assert service.client.head("/collections/none").status_code == 404


def test_the_head_of_events_ends(service: Service, placed: Placed) -> None:
    job = document(service.client.get("/jobs"))["jobs"][0]["id"]
    answer = service.client.head(f"/jobs/{job}/events", timeout=10)
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/event-stream")


@pytest.mark.parametrize(
    ("query", "named"),
    [("limit=0", "limit"), ("limit=x", "limit"), ("crs=EPSG:32632", "crs"), ("bbox-crs=x&bbox=1,2,3,4", "bbox-crs")],
)
def test_malformed_parameters_are_400_and_named(service: Service, placed: Placed, query: str, named: str) -> None:
    answer = service.client.get(f"{placed.url}/items?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert named in document(answer)["detail"]


def test_every_format_parameter_and_limit_is_described(service: Service) -> None:
    described = document(service.client.get("/openapi.json"))
    assert described["openapi"].startswith("3.1")
    assert not any("oas30" in name for name in document(service.client.get("/conformance"))["conformsTo"])
    parameters = {each["name"]: each for each in described["paths"]["/collections/{collection_id}/items"]["get"]["parameters"]}
    assert parameters["limit"]["schema"]["maximum"] == 1000
    assert {"f", "crs", "bbox-crs"} <= set(parameters)
    assert described["components"]["parameters"]["limit"] == parameters["limit"]  # where QGIS reads the size of its pages


def test_the_description_has_the_media_type_of_its_link(service: Service) -> None:
    links = document(service.client.get("/", headers={"Accept": "application/json"}))["links"]
    kind = next(link["type"] for link in links if link["rel"] == "service-desc")
    answer = service.client.get("/openapi.json", headers={"Accept": kind})
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    assert service.client.get("/openapi.json").headers["content-type"] == "application/json"


def test_systems_of_coordinates(service: Service, placed: Placed) -> None:
    address = f"{placed.url}/items"
    degrees = document(service.client.get(address, params={"ids": placed.items[2]}))["features"][0]["geometry"]["coordinates"][
        0
    ]
    for crs, text in ((EPSG3857, EPSG3857), (EPSG4326, "EPSG:4326")):
        answer = service.client.get(address, params={"ids": placed.items[2], "crs": text})
        assert answer.headers["content-crs"] == f"<{crs}>"
        ring = document(answer)["features"][0]["geometry"]["coordinates"][0]
        if crs == EPSG4326:
            assert [[y, x] for x, y in ring] == degrees
        else:
            assert ring[0] == pytest.approx([degrees[0][0] * 111319.490793, 6446275.841], rel=1e-3)
    boxes = {"CRS84": "10.2,50,10.25,50.05", "EPSG:4326": "50,10.2,50.05,10.25", EPSG3857: "1135459,6446276,1141025,6454942"}
    for crs, box in boxes.items():
        found = document(service.client.get(address, params={"bbox": box, "bbox-crs": crs}))
        assert [each["id"] for each in found["features"]] == [placed.items[2]], crs
    assert set(document(service.client.get(placed.url))["crs"]) >= {EPSG3857, EPSG4326}


def test_pictures_have_tags_and_ranges(service: Service, placed: Placed) -> None:
    for name in ("image", "thumbnail"):
        address = f"{placed.url}/items/{placed.items[0]}/{name}"
        whole = service.client.get(address)
        tag = whole.headers["etag"]
        assert "max-age" in whole.headers["cache-control"]
        for known in (tag, f"W/{tag}", f'"x", W/{tag}', "*"):
            assert service.client.get(address, headers={"If-None-Match": known}).status_code == 304, known
        assert service.client.get(address, headers={"If-None-Match": '"x"'}).status_code == 200
        for asked, content in (("bytes=10-19", whole.content[10:20]), ("bytes=-5", whole.content[-5:])):
            part = service.client.get(address, headers={"Range": asked})
            assert (part.status_code, part.content) == (206, content)
            assert part.headers["content-range"].endswith(f"/{len(whole.content)}")
        assert service.client.get(address, headers={"Range": f"bytes={len(whole.content)}-"}).status_code == 416
        assert service.client.get(address, headers={"Range": "bytes=0-3", "If-Range": '"old"'}).status_code == 200


def test_documents_are_compressed_but_pictures_and_events_are_not(service: Service, placed: Placed) -> None:
    assert service.client.get(f"{placed.url}/items").headers["content-encoding"] == "gzip"
    assert "content-encoding" not in service.client.get(f"{placed.url}/items/{placed.items[0]}/image").headers
    plain = service.client.get(f"{placed.url}/items", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers


def test_documents_are_pages_for_people(service: Service, placed: Placed) -> None:
    for path in ("/collections", placed.url, f"{placed.url}/items", f"{placed.url}/items/{placed.items[0]}"):
        page = service.client.get(path, params={"f": "html"})
        assert page.headers["content-type"].startswith("text/html")
        assert 'id="map"' in page.text
        assert service.client.get(path, headers={"Accept": "text/html,*/*;q=0.8"}).text.startswith("<!doctype html>")
        assert "json" in service.client.get(path, params={"f": "json"}, headers={"Accept": "text/html"}).headers["content-type"]
    assert service.client.get("/jobs?f=html").status_code == 200


def test_a_property_cannot_end_the_script_of_the_map(service: Service, placed: Placed) -> None:
    address = f"{placed.url}/items/{placed.items[0]}"
    service.client.patch(address, json={"properties": {"note": "</script><script>alert(1)</script>"}})
    assert "<script>alert" not in service.client.get(address, params={"f": "html"}).text


def test_schemas_cover_all_items(service: Service, placed: Placed) -> None:
    for name in ("schema", "queryables"):
        answer = service.client.get(f"{placed.url}/{name}")
        assert answer.headers["content-type"] == "application/schema+json"
        properties = document(answer)["properties"]
        assert properties["cloud_cover"]["type"] == "number"
        assert (properties["n"]["type"], properties["platform"]["type"]) == ("integer", "string")
        assert properties["datetime"]["format"] == "date-time"
    rels = {link["rel"] for link in document(service.client.get(placed.url))["links"]}
    assert {"describedby", "http://www.opengis.net/def/rel/ogc/1.0/queryables", "items", "self"} <= rels


def test_owslib_reads_the_features(service: Service, placed: Placed) -> None:
    features = Features(str(service.client.base_url))
    assert placed.id in features.feature_collections()
    assert features.collection(placed.id)["itemType"] == "feature"
    assert features.collection_queryables(placed.id)["properties"]["n"] == {"title": "n", "type": "integer"}
    found = features.collection_items(placed.id, limit=5, bbox=[10, 50, 10.32, 51])
    assert (found["numberMatched"], found["numberReturned"]) == (4, 4)
    assert features.collection_item(placed.id, placed.items[0])["id"] == placed.items[0]
    assert json.dumps(found["features"][0]["links"]).count('"rel": "collection"') == 1
