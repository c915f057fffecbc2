"""Filters in CQL2, sorting and chosen fields, over HTTP."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from app.domain.queries.cql2.expression import parse_expression
from tests.app.api.gis.conftest import Placed
from tests.support.service import Service, document


def numbers(answer: httpx.Response) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [each["properties"]["n"] for each in document(answer)["features"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cloud_cover < 12", [0, 1, 2]),
        ("platform = 'sentinel-2a' AND cloud_cover > 20", [6, 9]),
        ("platform IS NULL", [2, 5, 8, 11]),
        ("labels = 'river' AND n >= 2", [2, 3]),
        ("datetime >= TIMESTAMP('2025-11-01T00:00:00Z')", [10, 11]),
        ("S_INTERSECTS(geometry, BBOX(10.3, 50, 10.45, 51)) OR n = 11", [3, 4, 11]),
        ("cloud_cover < 0", []),
    ],
)
def test_items_are_filtered_as_text_and_json(service: Service, placed: Placed, text: str, expected: list[int]) -> None:
    answer = service.client.get(f"{placed.url}/items", params={"filter": text, "limit": 100})
    assert sorted(numbers(answer)) == expected
    assert document(answer)["numberMatched"] == len(expected)
    as_json: dict[str, str | int] = {"filter": parse_expression(text).text, "filter-lang": "cql2-json", "limit": 100}
    assert sorted(numbers(service.client.get(f"{placed.url}/items", params=as_json))) == expected


def test_pages_of_a_filter(service: Service, placed: Placed) -> None:
    found, address = [], f"{placed.url}/items?filter=n > 2&limit=4"
    while address:
        page = service.client.get(address)
        found += numbers(page)
        address = next((link["href"] for link in document(page)["links"] if link["rel"] == "next"), "")
    assert sorted(found) == list(range(3, 12))


def test_searches_are_filtered(service: Service, placed: Placed) -> None:
    by_get = service.client.get(f"{placed.url}/search", params={"item": placed.items[0], "filter": "n > 7", "limit": 50})
    assert sorted(numbers(by_get)) == [8, 9, 10, 11]
    body: dict[str, Any] = {"positives": [placed.items[0]], "limit": 3}
    for wanted in ({"filter": "n > 7"}, {"filter": {"op": ">", "args": [{"property": "n"}, 7]}, "filter-lang": "cql2-json"}):
        first = service.client.post(f"{placed.url}/search", json={**body, **wanted})
        assert document(first)["number_matched"] == 4
        link = next(each for each in document(first)["links"] if each["rel"] == "next")
        second = service.client.post(link["href"], json=link["body"])
        assert sorted(numbers(first) + numbers(second)) == [8, 9, 10, 11]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("filter=cloudcover < 3", "did you mean 'cloud_cover'"),
        ("filter=a ===", "not valid CQL2"),
        ("filter=n=1&filter-lang=sql", "filter-lang"),
        ("filter-lang=cql2-text", "filter-lang needs"),
        ("sortby=cloudcover", "did you mean 'cloud_cover'"),
        ("sortby=,", "sortby is not valid"),
        ("sortby=n&token=abc", "token is not valid"),
    ],
)
def test_wrong_filters_are_400_and_named(service: Service, placed: Placed, query: str, said: str) -> None:
    answer = service.client.get(f"{placed.url}/items?{query}")
    assert (answer.status_code, said in document(answer)["detail"]) == (400, True), answer.text


@pytest.mark.parametrize(
    ("sortby", "expected"),
    [("n", list(range(12))), ("-datetime", list(range(11, -1, -1))), ("platform,-n", [9, 6, 3, 0, 10, 7, 4, 1, 11, 8, 5, 2])],
)
def test_items_are_sorted_in_pages(service: Service, placed: Placed, sortby: str, expected: list[int]) -> None:
    found, address = [], str(httpx.URL(f"{placed.url}/items", params={"sortby": sortby, "limit": 5}))
    while address:
        page = service.client.get(address)
        found += numbers(page)
        address = next((link["href"] for link in document(page)["links"] if link["rel"] == "next"), "")
    assert found == expected


def test_fields_are_chosen(service: Service, placed: Placed) -> None:
    def first(**query: str) -> dict[str, Any]:
        answer = service.client.get(f"{placed.url}/items", params={"limit": 1, "sortby": "n", **query})
        feature: dict[str, Any] = document(answer)["features"][0]
        return feature

    only = first(fields="n,geometry")
    assert (only["properties"], only["geometry"] is not None, "links" in only) == ({"n": 0}, True, False)
    without = first(fields="-geometry,-properties.platform")
    assert (without["geometry"], "platform" in without["properties"], "links" in without) == (None, False, True)
    assert first(properties="n,platform")["properties"] == {"n": 0, "platform": "sentinel-2a"}
    assert json.dumps(first(properties="n")).count("links") == 1
