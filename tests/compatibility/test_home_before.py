"""A home that an older version wrote opens, and answers what it answered then.

`home-before-rooms.tar.xz` and `answers.json` were written by commit cbfecd5: two collections (one re-indexed to LBP-RGB),
labels, properties, a paused schedule, recent queries and finished jobs.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.support.service import running_service

NOWHERE = (None, {"bbox": [[-180, -90, 180, 90]], "crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"})
HERE = Path(__file__).parent


def test_it_answers_as_before(tmp_path: Path) -> None:
    with tarfile.open(HERE / "home-before-rooms.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    expected: dict[str, Any] = json.loads((HERE / "answers.json").read_text())
    with running_service(tmp_path / "home", threads=1) as service:
        for path, before in expected.items():
            answer = service.client.get(path)
            assert answer.status_code == 200, answer.text
            _compare(path, _comparable(before), _comparable(answer.json()))


def test_it_can_be_extended_and_searched(tmp_path: Path) -> None:
    with tarfile.open(HERE / "home-before-rooms.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    with running_service(tmp_path / "home", threads=1) as service:
        item = service.client.get("/collections/shapes/items").json()["features"][0]["id"]
        image = service.client.get(f"/collections/shapes/items/{item}/image").content
        result = service.upload("shapes", {"again.png": image})
        found = service.client.post("/collections/shapes/search", files={"image": ("q.png", image)}).json()
        assert {result["item_ids"][0], item} == {feature["id"] for feature in found["features"][:2]}
        patched = service.client.patch(f"/collections/shapes/items/{item}", json={"labels": ["new"]})
        assert patched.json()["properties"]["labels"] == ["new"]


def _comparable(document: Any) -> Any:
    """The document without addresses, timings, the extent of a collection without a place, which was null, and members without
    a value, which may be absent: STAC requires that of some.
    """
    if isinstance(document, dict):
        left_out = ("links", "thumbnail", "timings_ms", *(("spatial",) if document.get("spatial", ...) in NOWHERE else ()))
        return {key: _comparable(value) for key, value in document.items() if key not in left_out and value not in (None, "")}
    return [_comparable(value) for value in document] if isinstance(document, list) else document


def _compare(path: str, before: Any, after: Any) -> None:
    """Everything that was there is there, equal; floats to float32's precision (processors differ)."""
    if isinstance(before, dict):
        assert isinstance(after, dict), path
        assert set(before) <= set(after), (path, set(before) - set(after))
        for key, value in before.items():
            _compare(f"{path}.{key}", value, after[key])
    elif isinstance(before, list):
        assert len(before) == len(after), (path, before, after)
        for place, (old, new) in enumerate(zip(before, after, strict=True)):
            _compare(f"{path}[{place}]", old, new)
    elif isinstance(before, float):
        assert after == pytest.approx(before, abs=2e-3), path
    else:
        assert before == after, path
