"""Import and export of label files over HTTP: by identifier, file name and location."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import images
from tests.support.pictures import striped
from tests.support.service import Service, document

CSV = {"Content-Type": "text/csv"}
GEOJSON = {"Content-Type": "application/geo+json"}
UNKNOWN = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def tiles(service: Service, fresh: Callable[..., str]) -> tuple[str, dict[str, str]]:
    """A collection of tiles without places, and their ids by source."""
    name = fresh()
    sources = ("a/one.png", "a/two.png", "b/two.png", "three.png")
    service.upload(name, {source: striped(20 * number, size=64) for number, source in enumerate(sources)})
    features = document(service.client.get(f"/collections/{name}/items"))["features"]
    return name, {feature["properties"]["source"]: feature["id"] for feature in features}


@pytest.fixture
def scene(service: Service, fresh: Callable[..., str], tmp_path: Path) -> tuple[str, list[dict[str, Any]]]:
    """A collection of 12 tiles side by side, and their features."""
    name = fresh(tile_size=64)
    service.upload(name, {"scene.tif": images.rgb_tif(tmp_path / "scene.tif", 192, 256)})
    return name, document(service.client.get(f"/collections/{name}/items?limit=100"))["features"]


def post(service: Service, name: str, text: str | bytes, mode: str = "add") -> httpx.Response:
    return service.client.post(f"/collections/{name}/labels", params={"mode": mode}, content=text)


def send(service: Service, name: str, text: str | bytes, mode: str = "add") -> dict[str, Any]:
    answer = post(service, name, text, mode)
    assert answer.status_code == 200, answer.text
    return document(answer)


def labels(service: Service, name: str) -> dict[str, list[str]]:
    """By id, of those that have some."""
    features = document(service.client.get(f"/collections/{name}/items?limit=1000"))["features"]
    return {feature["id"]: feature["properties"]["labels"] for feature in features if feature["properties"]["labels"]}


def collection(*features: dict[str, Any]) -> str:
    return json.dumps({"type": "FeatureCollection", "features": features})


def centre(feature: dict[str, Any]) -> list[float]:
    corners = feature["geometry"]["coordinates"][0][:4]
    return [sum(corner[axis] for corner in corners) / 4 for axis in (0, 1)]


def square(feature: dict[str, Any], half: float) -> dict[str, Any]:
    x, y = centre(feature)
    ring = [[x - half, y - half], [x + half, y - half], [x + half, y + half], [x - half, y + half], [x - half, y - half]]
    return {"type": "Polygon", "coordinates": [ring]}


def test_by_id_and_by_name(service: Service, tiles: tuple[str, dict[str, str]]) -> None:
    name, ids = tiles
    text = f"id,file_name,label\n{ids['a/one.png']},,x\n,three.png,y\n,b/two.png,z\n"
    assert send(service, name, text) == {
        "updated": 3,
        "unchanged": 0,
        "unmatched": [],
        "rejected": [],
        "unmatched_count": 0,
        "rejected_count": 0,
    }
    assert labels(service, name) == {ids["a/one.png"]: ["x"], ids["three.png"]: ["y"], ids["b/two.png"]: ["z"]}
    counts = document(service.client.get(f"/collections/{name}/labels"))["labels"]
    assert counts == [{"value": value, "count": 1} for value in "xyz"]
    found = document(service.client.get(f"/collections/{name}/items?labels=y"))["features"]
    assert [feature["id"] for feature in found] == [ids["three.png"]]


def test_add_and_replace_and_rows_of_one_tile_together(service: Service, tiles: tuple[str, dict[str, str]]) -> None:
    name, ids = tiles
    one = ids["a/one.png"]
    assert send(service, name, f"id,label\n{one},b\n{one},a\n{one},b\n")["updated"] == 1
    assert labels(service, name) == {one: ["b", "a"]}
    assert send(service, name, f"id,labels\n{one},a;c\n")["updated"] == 1
    assert labels(service, name) == {one: ["b", "a", "c"]}
    done = send(service, name, f"id,labels\n{one},\n{ids['three.png']},\n")
    assert (done["updated"], done["unchanged"]) == (0, 2)
    assert send(service, name, f"id,label\n{one},d\n{one},e\n", "replace")["updated"] == 1
    assert labels(service, name) == {one: ["d", "e"]}
    done = send(service, name, f"id,label\n{one},e\n{one},d\n{one},e\n", "replace")
    assert (done["updated"], done["unchanged"]) == (1, 0)
    silent = (
        f"id,label\n{one},\n",
        collection({"type": "Feature", "geometry": None, "id": one, "properties": {"label": None}}),
    )
    for text in silent:
        assert send(service, name, text, "replace")["unchanged"] == 1
    assert send(service, name, f"id,labels\n{one},\n", "replace")["updated"] == 1
    assert labels(service, name) == {}


def test_what_is_not_taken_is_listed_and_fails_nothing_else(service: Service, tiles: tuple[str, dict[str, str]]) -> None:
    name, ids = tiles
    text = (
        f"id,file_name,label\n{UNKNOWN},,x\n,four.png,x\n,two.png,x\nnope,,x\n,three.png,ok\n{ids['a/one.png']},,{'y' * 200}\n"
    )
    done = send(service, name, text)
    assert (done["updated"], done["unmatched_count"], done["rejected_count"]) == (1, 2, 3)
    assert [(each["line"], each["target"]) for each in done["unmatched"]] == [(2, f"id {UNKNOWN}"), (3, "four.png")]
    assert [each["line"] for each in done["rejected"]] == [4, 5, 7]
    assert "2 files have this name" in done["rejected"][0]["reason"]
    assert labels(service, name) == {ids["three.png"]: ["ok"]}


def test_the_last_part_of_a_path_matches_where_it_is_the_only_one(service: Service, tiles: tuple[str, dict[str, str]]) -> None:
    name, ids = tiles
    rows = (r"C:\photos\three.png,x", "/data/archive/one.png,y", r"D:\b\two.png,z", r"\\host\share\none.png,x", "b/two.png,w")
    done = send(service, name, "file_name,label\n" + "\n".join(rows) + "\n")
    assert labels(service, name) == {ids["three.png"]: ["x"], ids["a/one.png"]: ["y"], ids["b/two.png"]: ["w"]}
    assert [each["line"] for each in done["unmatched"]] == [5]
    assert [each["line"] for each in done["rejected"]] == [4]
    assert "2 files have this name" in done["rejected"][0]["reason"]


def test_paths_of_several_files_do_not_label_one_tile(service: Service, tiles: tuple[str, dict[str, str]]) -> None:
    name, ids = tiles
    text = "file_name,label\n/old/three.png,x\n/new/three.png,y\n/new/three.png,z\nthree.png,own\n"
    done = send(service, name, text)
    assert labels(service, name) == {ids["three.png"]: ["own"]}
    assert [each["line"] for each in done["rejected"]] == [2, 3, 4]
    assert "/new/three.png and /old/three.png both match three.png" in done["rejected"][0]["reason"]


def test_only_the_first_thousand_are_listed(service: Service, tiles: tuple[str, dict[str, str]]) -> None:
    name, _ = tiles
    done = send(service, name, "file_name,label\n" + "none.png,x\n" * 1500 + ",x\n" * 1200)
    assert (done["unmatched_count"], len(done["unmatched"])) == (1500, 1000)
    assert (done["rejected_count"], len(done["rejected"])) == (1200, 1000)
    assert done["rejected"][0]["line"] == 1502


def test_a_tile_has_no_more_labels_than_it_may(service: Service, tiles: tuple[str, dict[str, str]]) -> None:
    name, ids = tiles
    one = ids["a/one.png"]
    many = ";".join(f"l{number}" for number in range(60))
    assert send(service, name, f"id,labels\n{one},{many}\n")["updated"] == 1
    for text in (f"id,labels\n{one},a;b;c;d;e\n", "id,label\n" + "".join(f"{one},m{number}\n" for number in range(70))):
        done = send(service, name, text)
        assert done["updated"] == 0
        assert "64 that a tile may have" in done["rejected"][0]["reason"]
    assert len(labels(service, name)[one]) == 60


def test_by_place(service: Service, scene: tuple[str, list[dict[str, Any]]]) -> None:
    name, features = scene
    one, two = features[3], features[7]
    x, y = centre(one)
    done = send(service, name, f"lon,lat,label\n{x},{y},point\n0,0,nowhere\n")
    assert (done["updated"], [each["line"] for each in done["unmatched"]]) == (1, [3])
    assert labels(service, name) == {one["id"]: ["point"]}
    text = collection(
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": centre(two)}, "properties": {"label": "p"}},
        {"type": "Feature", "geometry": square(two, 1e-6), "properties": {"labels": ["small", "area"]}},
        {"type": "Feature", "geometry": square(one, 1.0), "properties": {"label": "all"}},
        {"type": "Feature", "geometry": square(one, 1e-6), "properties": {"label": "s"}},
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": [0, 0]}, "properties": {"label": "n"}},
        {"type": "Feature", "geometry": None, "id": two["id"], "properties": {"label": "id"}},
    )
    done = send(service, name, text)
    assert (done["updated"], done["unmatched_count"], done["rejected_count"]) == (12, 1, 0)
    found = labels(service, name)
    assert set(found[one["id"]]) == {"point", "all", "s"}
    assert set(found[two["id"]]) == {"p", "small", "area", "all", "id"}
    assert sum(each == ["all"] for each in found.values()) == 10


def test_a_scene_is_labelled_by_its_name(service: Service, scene: tuple[str, list[dict[str, Any]]]) -> None:
    name, features = scene
    assert send(service, name, "source,label\nscene.tif,town\n")["updated"] == len(features) == 12


def test_overlapping_tiles_share_a_point(service: Service, fresh: Callable[..., str], tmp_path: Path) -> None:
    name = fresh(tile_size=64, stride=32)
    service.upload(name, {"scene.tif": images.rgb_tif(tmp_path / "scene.tif", 192, 256)})
    features = document(service.client.get(f"/collections/{name}/items?limit=100"))["features"]
    middle = [sum(centre(feature)[axis] for feature in features) / len(features) for axis in (0, 1)]
    assert send(service, name, f"lon,lat,label\n{middle[0]},{middle[1]},x\n")["updated"] in (2, 4)


def test_across_the_antimeridian(service: Service, fresh: Callable[..., str], tmp_path: Path) -> None:
    name = fresh()
    service.upload(name, {"far.tif": images.antimeridian_tif(tmp_path / "far.tif")})
    tile = document(service.client.get(f"/collections/{name}/items"))["features"][0]
    parts = tile["geometry"]["coordinates"]
    assert tile["geometry"]["type"] == "MultiPolygon"
    for number, part in enumerate(parts):
        corners = part[0][:-1]
        x, y = (sum(corner[axis] for corner in corners) / len(corners) for axis in (0, 1))
        assert send(service, name, f"lon,lat,label\n{x},{y},p{number}\n")["updated"] == 1
    row = next(csv.DictReader(io.StringIO(service.client.get(f"/collections/{name}/labels.csv").text)))
    assert send(service, name, f"lon,lat,label\n{row['lon']},{row['lat']},centre\n")["updated"] == 1


def test_a_round_trip_changes_nothing(service: Service, scene: tuple[str, list[dict[str, Any]]]) -> None:
    name, features = scene
    odd = ["semi;colon", '"quoted"', "[bracket"]
    service.client.patch(f"/collections/{name}/items/{features[0]['id']}", json={"labels": odd})
    send(service, name, f"id,labels\n{features[1]['id']},a;b\n")
    before = labels(service, name)
    answer = service.client.get(f"/collections/{name}/labels.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}-labels.csv"'
    for mode in ("add", "replace"):
        done = send(service, name, answer.content, mode)
        assert (done["updated"], done["unchanged"], done["rejected"], done["unmatched"]) == (0, 12, [], [])
    ids = "\n".join(feature["id"] for feature in features)
    assert (
        send(service, name, f"id,labels\n{ids}\n".replace("\n", ",\n").replace("labels,", "labels"), "replace")["updated"] == 2
    )
    assert send(service, name, answer.content)["updated"] == 2
    assert labels(service, name) == before
    filtered = service.client.get(f"/collections/{name}/labels.csv", params={"labels": "a"}).text
    assert [row["id"] for row in csv.DictReader(io.StringIO(filtered))] == [features[1]["id"]]
    place = {feature["id"]: centre(feature) for feature in features}
    for row in csv.DictReader(io.StringIO(answer.text)):
        assert [float(row["lon"]), float(row["lat"])] == pytest.approx(place[row["id"]], abs=1e-6)
        assert row["file_name"] == "scene.tif"


def test_a_file_may_come_as_a_form(service: Service, tiles: tuple[str, dict[str, str]]) -> None:
    name, ids = tiles
    text = f"id,label\n{ids['a/one.png']},x\n"
    for part in (("labels.csv", text), (None, text)):
        answer = service.client.post(f"/collections/{name}/labels", files={"file": part})
        assert answer.status_code == 200, answer.text
    assert labels(service, name) == {ids["a/one.png"]: ["x"]}
    assert service.staged() == []


def test_wrong_requests(service: Service, tiles: tuple[str, dict[str, str]]) -> None:
    name, ids = tiles
    good = f"id,label\n{ids['a/one.png']},x\n"
    for answer, status in (
        (post(service, "nobody", good), 404),
        (post(service, name, good, "mend"), 400),
        (post(service, name, b""), 400),
        (post(service, name, "a,b\n1,2\n"), 422),
        (post(service, name, b"\x89PNG\r\n\x1a\n" + bytes(100)), 422),
        (post(service, name, '{"type": "FeatureCollection", "features": [{'), 422),
        (post(service, name, iter([good.encode(), bytes(33 << 20)])), 413),  # type: ignore[arg-type]
        (service.client.post(f"/collections/{name}/labels", files={"files": ("a.csv", good)}), 422),
        (service.client.get("/collections/nobody/labels.csv"), 404),
    ):
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert labels(service, name) == {}
    assert service.staged() == []


def test_an_empty_collection_has_nothing_to_label(service: Service, fresh: Callable[..., str]) -> None:
    name = fresh()
    text = f"id,file_name,lon,lat,label\n{UNKNOWN},,,,x\n,a.png,,,x\n,,1,2,x\n"
    assert send(service, name, text)["unmatched_count"] == 3
    assert service.client.get(f"/collections/{name}/labels.csv").text == "id,file_name,lon,lat,labels\r\n"


def test_files_and_single_labels_at_once_lose_nothing(service: Service, tiles: tuple[str, dict[str, str]]) -> None:
    """Both read labels, change them and write them back."""
    name, ids = tiles
    one = ids["a/one.png"]
    workers = [
        threading.Thread(target=lambda number=number: send(service, name, f"id,label\n{one},l{number}\n"))
        for number in range(12)
    ]
    workers.append(
        threading.Thread(
            target=service.client.patch, args=(f"/collections/{name}/items/{one}",), kwargs={"json": {"properties": {"n": 1}}}
        )
    )
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(labels(service, name)[one]) == sorted(f"l{number}" for number in range(12))
    item = document(service.client.get(f"/collections/{name}/items/{one}"))
    assert item["properties"]["n"] == 1
