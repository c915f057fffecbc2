"""What drawing tools export is a region of a search, by GET and by POST."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.pictures import striped
from tests.support.service import Service, document

SQUARE = {"type": "Polygon", "coordinates": [[[10, 50], [11, 50], [11, 51], [10, 51], [10, 50]]]}
EMPTY: dict[str, Any] = {"type": "Feature", "properties": {}, "geometry": None}
DRAWN = {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry": SQUARE}, EMPTY]}


@pytest.mark.parametrize("region", [DRAWN, DRAWN["features"][0], {"type": "GeometryCollection", "geometries": [SQUARE]}])
def test_a_drawn_region_selects_tiles(service: Service, fresh: Callable[..., str], region: dict[str, Any]) -> None:
    name = fresh(model="hog", tile_size=64)
    places = {"in.png": {"bbox": [10.4, 50.4, 10.5, 50.5]}, "out.png": {"bbox": [20, 50, 21, 51]}}
    done = service.upload(name, {"in.png": striped(10, size=64), "out.png": striped(50, size=64)}, places)
    listed = service.client.get(f"/collections/{name}/items", params={"intersects": json.dumps(region)})
    assert [each["properties"]["file_name"] for each in document(listed)["features"]] == ["in.png"]
    example = {"positives": done["item_ids"][:1]}
    everywhere, inside = (
        service.client.post(f"/collections/{name}/search", json={**example, **more}) for more in ({}, {"intersects": region})
    )
    names = {each["properties"]["file_name"] for each in document(everywhere)["features"]} & {"in.png"}
    assert {each["properties"]["file_name"] for each in document(inside)["features"]} == names


def test_lists_have_limits(service: Service) -> None:
    body = service.client.post("/collections/none/search", json={"ids": ["x"] * 10_001})
    assert (body.status_code, document(body)["errors"][0]["loc"]) == (422, "ids")
    listed = service.client.get("/collections/none/items", params={"labels": ",".join(["a"] * 1001)})
    assert (listed.status_code, document(listed)["detail"]) == (400, "labels lists 1001 values; the limit is 1000")
    schema = document(service.client.get("/openapi.json"))["components"]["schemas"]
    limits = {name: _max_items(schema["SearchRequest"]["properties"][name]) for name in ("ids", "labels", "positives", "bbox")}
    assert limits == {"ids": 10_000, "labels": 1000, "positives": 1000, "bbox": 6}
    assert _max_items(schema["CollectionCreate"]["properties"]["keywords"]) == 100
    assert _max_items(schema["SchedulePut"]["properties"]["sources"]) == 100


def _max_items(schema: dict[str, Any]) -> int | None:
    return next((each["maxItems"] for each in [schema, *schema.get("anyOf", [])] if "maxItems" in each), None)


def test_a_part_of_a_form_is_sent_once(service: Service, fresh: Callable[..., str]) -> None:
    for name, part in ((fresh(), "items"), (fresh(), "search")):
        field = "metadata" if part == "items" else "query"
        for twice in ([(field, (None, "{}"))] * 2, [(field, ("b.json", "{}")), (field, ("a.json", "{}"))]):
            answer = service.client.post(f"/collections/{name}/{part}", files=twice)
            assert (answer.status_code, document(answer)["detail"]) == (
                400,
                f"the form has more than one part {field!r}; send one",
            )
