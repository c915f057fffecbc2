"""CQL2 on tiles: what expressions mean, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from app.domain.places.geometry import bbox_footprint
from app.domain.queries.cql2.expression import parse_expression
from app.domain.queries.cql2.indexed import narrowed
from app.domain.queries.search import TileFilter
from app.domain.tiles import Tile
from app.errors import InvalidInput

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
TILE = Tile(
    id="00000000-0000-4000-8000-000000000001",
    source="a/Île.tif",
    file_name="Île.tif",
    content_hash="0",
    image="i",
    indexed_at=NOW,
    geometry=bbox_footprint([10, 50, 11, 51]),
    datetime=NOW,
    gsd=10.0,
    labels=("river", "town"),
    properties={"eo:cloud_cover": 12, "platform": "S2A", "ok": True, "when": "2024-01-01T00:00:00Z", "tags": ["a", "b"]},
)


@pytest.mark.parametrize(
    ("text", "is_true"),
    [
        ('"eo:cloud_cover" < 20', True),
        ('"properties.eo:cloud_cover" < 20', True),
        ("gsd = 10 AND platform = 'S2A'", True),
        ("platform <> 'S2A'", False),
        ("platform LIKE 'S_A' AND file_name LIKE '%.tif'", True),
        ("platform LIKE 's2%'", False),
        ("CASEI(platform) = CASEI('s2a')", True),
        ("ACCENTI(file_name) = 'Ile.tif'", True),
        ("nothing = 1", False),
        ("NOT nothing = 1", False),
        ("nothing IS NULL AND platform IS NOT NULL", True),
        ('"eo:cloud_cover" BETWEEN 12 AND 12', True),
        ('"eo:cloud_cover" * 2 + 1 = 25', True),
        ("gsd / 0 = 1 OR gsd > 5", True),
        ("platform IN ('S2A', 'S2B')", True),
        ("platform = 5", False),
        ("ok = true", True),
        ("labels = 'river'", True),
        ("labels IN ('x', 'town')", True),
        ("A_CONTAINS(labels, ('river', 'x'))", False),
        ("A_OVERLAPS(tags, ('b', 'x'))", True),
        ("datetime > TIMESTAMP('2025-06-01T11:00:00Z')", True),
        ("datetime = DATE('2025-06-01')", True),
        ("datetime > DATE('2025-06-01')", False),
        ("T_AFTER(datetime, DATE('2025-05-31'))", True),
        ("T_DURING(datetime, INTERVAL('2025-01-01T00:00:00Z', '..'))", True),
        ("when < TIMESTAMP('2025-01-01T00:00:00Z')", True),
        ("S_INTERSECTS(geometry, POINT(10.5 50.5))", True),
        ("S_WITHIN(geometry, BBOX(0, 0, 20, 60))", True),
        ("S_DISJOINT(geometry, POLYGON((0 0, 1 0, 1 1, 0 1, 0 0)))", True),
        ("S_CONTAINS(geometry, POINT(0 0))", False),
    ],
)
def test_an_expression(text: str, is_true: bool) -> None:
    expression = parse_expression(text)
    assert expression.accepts(TILE) is is_true
    assert parse_expression(expression.json).accepts(TILE) is is_true
    assert parse_expression(expression.text, "cql2-json") == expression


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("a ==== 1", "not valid CQL2"),
        ("", "not valid CQL2"),
        ("NOT " * 5000 + "a = 1", "operators"),
        ("(" * 5000 + "a = 1" + ")" * 5000, "operators"),
        ({"op": "near", "args": []}, "'near' is not supported"),
        ({"op": "=", "args": [1]}, "needs 2 operands"),
        ({"op": "and"}, "operands"),
        ({"a": 1}, "not an expression"),
        ({"op": "=", "args": [{"property": 1}, 2]}, "not a text"),
        ({"op": "s_intersects", "args": [{"property": "geometry"}, {"type": "Point", "coordinates": [900, 0]}]}, "degrees"),
        ({"op": "=", "args": [{"property": "datetime"}, {"timestamp": "soon"}]}, "RFC 3339"),
        ("{", "not valid JSON"),
        ({"op": "=", "args": [{"property": "labels"}, "\ud800"]}, "Unicode"),
    ],
)
def test_what_is_refused(value: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        parse_expression(value)


def test_operands_of_other_types_are_unknown() -> None:
    for condition in ({"op": "in", "args": [{"property": "gsd"}, 5]}, {"op": "like", "args": [{"property": "gsd"}, 5]}):
        assert not parse_expression(condition).accepts(TILE)
    for name in ("<", "<=", ">", ">="):
        assert not parse_expression({"op": name, "args": [{"property": "labels"}, [1]]}).accepts(TILE), "arrays have no order"
    both = {"op": "s_intersects", "args": [{"property": "geometry"}, {"property": "platform"}]}
    expression = parse_expression(both)
    assert not expression.accepts(TILE)
    assert narrowed(TileFilter(expression=expression)).region is None


def test_depth_is_limited() -> None:
    node: dict[str, Any] = {"op": "=", "args": [{"property": "a"}, 1]}
    for _ in range(200):
        node = {"op": "not", "args": [node]}
    with pytest.raises(InvalidInput, match="deep"):
        parse_expression(json.dumps(node), "cql2-json")
    with pytest.raises(InvalidInput, match="filter-lang"):
        parse_expression("a=1", "sql")


def test_what_the_index_can_evaluate() -> None:
    text = "labels = 'river' AND datetime >= DATE('2025-01-01') AND S_INTERSECTS(geometry, BBOX(0, 0, 20, 60)) AND gsd = 10"
    found = narrowed(TileFilter(expression=parse_expression(text)))
    assert (found.labels, found.interval is not None, found.region is not None) == (("river",), True, True)
    either = narrowed(TileFilter(expression=parse_expression("labels = 'a' OR labels = 'b'")))
    assert (either.labels, either.interval) == ((), None)
    assert narrowed(replace(found, labels=("x",))).labels == ("x",)
