"""One result per place, with tiles cut from files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support import images
from tests.support.pictures import striped
from tests.support.service import Service, document


def found(service: Service, name: str, diversify: Any, **more: Any) -> list[dict[str, Any]]:
    query = {"limit": 100, "diversify": diversify, **more}
    items = document(service.client.get(f"/collections/{name}/items"))["features"]
    answer = service.client.post(f"/collections/{name}/search", json={"positives": [items[0]["id"]], **query})
    assert answer.status_code == 200, answer.text
    return list(document(answer)["features"])


def test_the_tiles_of_one_scene_stay_apart(service: Service, fresh: Callable[..., str], tmp_path: Path) -> None:
    name = fresh(model="hog", tile_size=64)
    service.upload(name, {"s.tif": images.rgb_tif(tmp_path / "s.tif", 192, 256)})
    features = found(service, name, True)
    assert len(features) == 11
    assert not any("near_copies" in feature for feature in features)


def test_overlapping_windows_fold(service: Service, fresh: Callable[..., str], tmp_path: Path) -> None:
    name = fresh(model="hog", tile_size=64, stride=32)
    service.upload(name, {"s.tif": images.rgb_tif(tmp_path / "s.tif", 128, 128)})
    features = found(service, name, True)
    copies = [copy for feature in features for copy in feature.get("near_copies", [])]
    assert len(features) < len(found(service, name, False)) == 8
    assert len(features) + len(copies) == 8


def test_a_file_under_two_names_folds(service: Service, fresh: Callable[..., str]) -> None:
    name = fresh(model="hog")
    same = {"b.png": striped(0), "c.png": striped(0), "d.png": striped(50)}
    service.upload(name, {"a.png": striped(20), **same}, {"b.png": {"labels": ["x"]}, "c.png": {"properties": {"n": 1}}})
    item = next(
        feature["id"]
        for feature in document(service.client.get(f"/collections/{name}/items"))["features"]
        if feature["properties"]["file_name"] == "a.png"
    )
    features = found(service, name, True, positives=[item])
    assert sorted(len(feature.get("near_copies", [])) for feature in features) == [0, 1]


def test_one_place_at_two_dates_folds_by_choice(service: Service, fresh: Callable[..., str]) -> None:
    name = fresh(model="hog")
    place = {"bbox": [10, 50, 10.1, 50.1]}
    metadata = {f"{year}.png": {**place, "datetime": f"{year}-06-01T10:00:00Z"} for year in (2020, 2021)}
    service.upload(name, {"q.png": striped(90), "2020.png": striped(0), "2021.png": striped(5)}, metadata)
    features = document(service.client.get(f"/collections/{name}/items"))["features"]
    query = next(feature["id"] for feature in features if feature["properties"]["file_name"] == "q.png")
    assert len(found(service, name, True, positives=[query])) == 1
    assert len(found(service, name, {}, positives=[query])) == 1
    assert len(found(service, name, {"other_dates": True}, positives=[query])) == 1
    apart = found(service, name, {"other_dates": False}, positives=[query], limit=1)
    assert "near_copies" not in apart[0]
    assert len(found(service, name, {"other_dates": False}, positives=[query])) == 2
    wrong = service.client.post(f"/collections/{name}/search", json={"positives": [query], "diversify": {"same": True}})
    assert wrong.status_code == 422
