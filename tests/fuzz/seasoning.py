"""Meaningful values for generated cases: with random values alone, few cases pass the first check.

The choice depends on the generated values, so that a case is reproducible.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from app.domain.models import DEFAULT_MODEL
from tests.support.pictures import striped

POINT = {"type": "Point", "coordinates": [0.05, 10.05]}
SQUARE = {"type": "Polygon", "coordinates": [[[0, 10], [3, 10], [3, 11], [0, 11], [0, 10]]]}
FEATURE = {"type": "Feature", "properties": {}, "geometry": SQUARE}
REGIONS: list[Any] = [
    SQUARE,
    POINT,
    FEATURE,
    {"type": "GeometryCollection"},
    {"type": "GeometryCollection", "geometries": [SQUARE, POINT, {"type": "GeometryCollection", "geometries": []}]},
    {"type": "FeatureCollection", "features": [FEATURE, {"type": "Feature", "geometry": None}]},
    {"type": "FeatureCollection", "features": [1, None, []]},
    {"type": "Polygon", "coordinates": [[[10**400, 0], [1, 1], [1, 0], [10**400, 0]]]},
    {"type": ["Feature"], "geometry": {}},
]
ORIGINS: list[dict[str, str]] = [
    {"Origin": "https://evil.example.com"},
    {"Origin": "null"},
    {"Origin": "\xe9://["},
    {"Referer": "http://[::1"},
    {"Referer": "https://evil.example.com/x"},
    {"Sec-Fetch-Site": "same-site"},
]
"""Headers of requests of other sites."""
PICTURE = striped(30, size=64)
WORDS: dict[str, list[Any]] = {
    "bbox": [
        "0,10,3,11",
        "170,-90,-170,90",
        "nan,0,1,1",
        "1e400,0,1,1",
        "0,10,0,10",
        "3,11,0",
        [0, 10, 3, 11],
        [1e308, 0, -1e308, 1],
    ],
    "datetime": [
        "2024-05-01T00:00:00Z/..",
        "../2024-05-01T00:00:00Z",
        "2024-05-01T10:00:00+23:59",
        "9999-12-31T23:59:59Z",
        "/",
    ],
    "intersects": ['{"type":"Point","coordinates":[0.05,10.05]}', "{}", "[1]", *REGIONS],
    "geometry": [POINT, SQUARE, {"type": "Feature", "geometry": SQUARE}],
    "labels": ["label-0", "label-0,label-1", ",", ["label-1"], [""]],
    "limit": [1, 3, 1000, 10**30],
    "rerank": ["true", "false", "3", True, False, {"depth": 3}, {"budget_ms": 1e-9}],
    "min_probability": [0, 0.5, 1],
    "token": ["bm90aGluZw", "bnVsbA", "WzEsMl0", "e30", "{}", "."],
    "index_version": ["hog.1", "hog.999"],
    "size": [16, 64, 1024],
    "mode": ["add", "replace"],
    "image": [PICTURE, PICTURE[:100], b"II*\x00", b""],
    "files": [[PICTURE], [PICTURE, PICTURE[:50]]],
    "metadata": ['{"a.png": {"labels": ["x"]}}', "[]", '{"a.png": {"bbox": [1e999, 0, 1, 1]}}'],
    "query": ['{"limit": 2}', "{}", '{"positives": ["x"]}', "[", '{"limit": 1e999}'],
    "cron": ["0 3 * * *", "@daily", "61 * * * *", "0 0 30 2 *"],
    "timezone": ["UTC", "Europe/Berlin", "Nowhere/Land", "../../etc/passwd"],
    "href": ["/etc/passwd", "file:///etc/passwd", "http://127.0.0.1/", "s3://a/b", "\x00", "~nobody-at-all/x"],
    "model": ["hog", "lbp-rgb", DEFAULT_MODEL, "none"],
    "bands": [[1, 2, 3], ["red"], [0], [10**20]],
    "tile_size": [64, 16, 2**40],
    "version": ["hog.1", "hog.2", ""],
    "file": [b"file_name,label\n1.png,harbor\n", b'{"type":"FeatureCollection","features":[]}', b"\xff\xfe", b""],
    "key": ["dyad_wrong", "é"],
}


class Seasoning:
    """known: further values by name. A path parameter gets one in 7 of 8 cases, any other parameter in 1 of 2."""

    def __init__(self, known: Mapping[str, Sequence[Any]]) -> None:
        self._path = known
        self._words = {**WORDS, **known}

    def add(self, case: Any) -> Any:
        """Change a case."""
        for name, value in (case.path_parameters or {}).items():
            if name in self._path and drawn(name, value) % 8:
                case.path_parameters[name] = self._pick(name, value)
        if isinstance(case.query, dict):
            self._into(case.query)
        if isinstance(case.body, dict):
            self._into(case.body)
        self._edge(case)
        return case

    def _edge(self, case: Any) -> None:
        """Give some cases an unknown or a repeated parameter, or headers of another site."""
        number = drawn("edge", [case.method, case.path, case.path_parameters, case.query])
        query = dict(case.query) if isinstance(case.query, dict) else {}
        if number % 16 == 0:
            case.query = {**query, "lable": "river"}
        elif number % 16 == 1:
            case.query = {name: [value, value] for name, value in query.items()} | {"offset": ["1", "2"]}
        elif number % 16 == 2:
            case.headers = {**(case.headers or {}), **ORIGINS[number // 16 % len(ORIGINS)]}

    def _into(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            if name in self._words and drawn(name, value) % 2:
                values[name] = self._pick(name, value)
            elif isinstance(value, dict):
                self._into(value)

    def _pick(self, name: str, value: Any) -> Any:
        choices = self._words[name]
        return choices[drawn(name, value) // 8 % len(choices)]


def drawn(name: str, value: Any) -> int:
    """A number that depends only on the name and the value."""
    return zlib.crc32(f"{name}={value!r}".encode("utf-8", "replace"))
