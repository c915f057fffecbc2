"""Ingest over HTTP, by upload and `href`, with valid and invalid files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.services.ingest import run
from tests.support import images
from tests.support.pictures import striped
from tests.support.service import Service, document

STAC: dict[str, Any] = {
    "type": "Feature",
    "stac_version": "1.0.0",
    "id": "S2A_T32TQM",
    "geometry": {"type": "Polygon", "coordinates": [[[10, 45], [11, 45], [11, 46], [10, 46], [10, 45]]]},
    "bbox": [10, 45, 11, 46],
    "properties": {"datetime": "2020-08-31T10:10:31Z", "platform": "sentinel-2a"},
    "links": [],
}


def items(service: Service, collection: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document(service.client.get(f"/collections/{collection}/items?limit=1000"))["features"]
    return found


def reasons(results: dict[str, Any]) -> dict[str, str]:
    return {entry["file_name"]: entry["reason"] for entry in results["rejected"]}


def test_metadata_places_dates_and_labels_a_tile(service: Service, fresh: Callable[..., str]) -> None:
    name = fresh()
    metadata = {
        "a.jpg": {
            "bbox": [179.5, -1, -179.5, 1],
            "datetime": "2020-01-02T03:04:05+01:00",
            "labels": ["reef", " wet "],
            "properties": {"sensor": "X"},
        }
    }
    results = service.upload(name, {"a.jpg": images.jpeg_bytes()}, metadata)
    assert (results["indexed"], results["unchanged"], results["rejected"]) == (1, 0, [])
    (item,) = items(service, name)
    assert results["item_ids"] == [item["id"]]
    assert item["geometry"]["type"] == "MultiPolygon"
    properties = item["properties"]
    assert (properties["datetime"], properties["labels"]) == ("2020-01-02T02:04:05Z", ["reef", "wet"])
    assert properties["sensor"] == "X"
    assert len(document(service.client.get(f"/collections/{name}/items?bbox=-180,-2,-179.8,2"))["features"]) == 1


def test_a_scene_is_cut_into_placed_tiles(service: Service, fresh: Callable[..., str], tmp_path: Path) -> None:
    name = fresh(tile_size=128)
    scene = images.rgb_tif(tmp_path / "scene_20200831.tif", 256, 384)
    results = service.upload(name, {"scene_20200831.tif": scene})
    assert results["indexed"] == 6
    found = items(service, name)
    assert {item["properties"]["window"] for item in found} == {f"{c},{r},128,128" for c in (0, 128, 256) for r in (0, 128)}
    assert all(item["geometry"]["type"] == "Polygon" for item in found)
    assert all(item["properties"]["datetime"].startswith("2020-08-31") for item in found)
    image = service.client.get(f"/collections/{name}/items/{found[0]['id']}/image")
    assert image.headers["content-type"] == "image/tiff"
    preview = service.client.get(f"/collections/{name}/items/{found[0]['id']}/thumbnail")
    assert preview.headers["content-type"] == "image/jpeg"


def test_mostly_nodata_is_skipped_and_counted(service: Service, fresh: Callable[..., str], tmp_path: Path) -> None:
    name = fresh(tile_size=64)
    results = service.upload(name, {"m.tif": images.masked_tif(tmp_path / "m.tif")})
    assert (results["indexed"], results["skipped_nodata"]) == (1, 1)


def test_one_bad_file_never_fails_the_rest(service: Service, fresh: Callable[..., str], tmp_path: Path) -> None:
    name = fresh()
    bad = {
        "truncated.jpg": images.truncated_jpeg(tmp_path / "truncated.jpg"),
        "zero.png": images.empty_file(tmp_path / "zero.png"),
        "text.tif": images.text_tif(tmp_path / "text.tif"),
        "bomb.png": images.png_bomb(tmp_path / "bomb.png"),
        "bomb.zip": images.zip_bomb(tmp_path / "bomb.zip"),
        "nan.tif": images.all_nan_tif(tmp_path / "nan.tif"),
        "nocrs.tif": images.no_crs_tif(tmp_path / "nocrs.tif"),
    }
    good = {
        "cmyk.jpg": images.cmyk_jpeg(tmp_path / "cmyk.jpg"),
        "deep.png": images.deep_png(tmp_path / "deep.png"),
        "palette.png": images.palette_png(tmp_path / "palette.png"),
        "plain.tif": images.plain_tif(tmp_path / "plain.tif"),
        "webp.webp": images.saved(tmp_path / "webp.webp"),
    }
    traversal = images.traversal_zip(tmp_path / "traversal.zip")
    results = service.upload(name, {**bad, **good, "traversal.zip": traversal, "../up.png": striped(0)})
    why = reasons(results)
    assert results["indexed"] == len(good) + 1, why
    words = {
        "truncated.jpg": "truncated",
        "zero.png": "0 bytes",
        "text.tif": "not an image",
        "bomb.png": "DYAD_MAX_PIXELS",
        "nan.tif": "valid",
        "nocrs.tif": "CRS",
        "../up.png": "contains `..`",
    }
    for file_name, word in words.items():
        assert word in why[file_name], (file_name, why[file_name])
    assert any("bomb.zip" in file_name for file_name in why)
    assert sum("evil.jpg" in file_name for file_name in why) == 2
    for item in items(service, name):
        assert service.client.get(f"/collections/{name}/items/{item['id']}/thumbnail").status_code == 200


def test_a_missing_crs_is_mended_by_metadata(service: Service, fresh: Callable[..., str], tmp_path: Path) -> None:
    name = fresh()
    scene = images.no_crs_tif(tmp_path / "n.tif")
    results = service.upload(name, {"n.tif": scene}, {"n.tif": {"bbox": [1, 2, 3, 4]}})
    assert (results["indexed"], results["rejected"]) == (1, [])
    assert items(service, name)[0]["geometry"]["type"] == "Polygon"


def test_the_same_again_is_unchanged_and_new_content_replaces(service: Service, fresh: Callable[..., str]) -> None:
    name = fresh()
    files = {"a.png": striped(0), "b.png": striped(90)}
    first = service.upload(name, files)
    again = service.upload(name, files)
    assert (again["indexed"], again["unchanged"]) == (0, 2)
    assert sorted(again["item_ids"]) == sorted(first["item_ids"])
    images_before = set(service.container.blobs.keys(f"collections/{name}/"))
    changed = service.upload(name, {**files, "a.png": striped(45)})
    assert (changed["indexed"], changed["unchanged"]) == (1, 1)
    assert len(items(service, name)) == 2
    images_after = set(service.container.blobs.keys(f"collections/{name}/"))
    assert len(images_after) == 2
    assert len(images_before & images_after) == 1


def test_a_scene_that_shrank_loses_the_tiles_it_no_longer_has(
    service: Service, fresh: Callable[..., str], tmp_path: Path
) -> None:
    name = fresh(tile_size=128)
    service.upload(name, {"s.tif": images.rgb_tif(tmp_path / "large.tif", 256, 384)})
    results = service.upload(name, {"s.tif": images.rgb_tif(tmp_path / "small.tif", 128, 256, seed=1)})
    assert results["indexed"] == 2
    assert {item["properties"]["window"] for item in items(service, name)} == {"0,0,128,128", "128,0,128,128"}
    assert len(list(service.container.blobs.keys(f"collections/{name}/"))) == 4


def test_labels_given_by_people_survive_the_same_file(service: Service, fresh: Callable[..., str]) -> None:
    name = fresh()
    item = service.upload(name, {"a.png": striped(0)})["item_ids"][0]
    service.client.patch(f"/collections/{name}/items/{item}", json={"labels": ["mine"]})
    service.upload(name, {"a.png": striped(0)})
    assert items(service, name)[0]["properties"]["labels"] == ["mine"]


def test_a_zip_gives_its_members_with_their_metadata(service: Service, fresh: Callable[..., str], tmp_path: Path) -> None:
    name = fresh()
    members = {"x/a.png": striped(0), "x/b.png": striped(90), "readme.txt": b"hello", "__MACOSX/._a": b"junk"}
    archive = images.zipped(tmp_path / "z.zip", members)
    results = service.upload(name, {"z.zip": archive}, {"x/a.png": {"labels": ["inner"]}, "b.png": {"labels": ["base"]}})
    assert results["indexed"] == 2
    assert list(reasons(results)) == ["z.zip/readme.txt"]
    labels = {item["properties"]["source"]: item["properties"]["labels"] for item in items(service, name)}
    assert labels == {"z.zip/x/a.png": ["inner"], "z.zip/x/b.png": ["base"]}


def test_href_reads_only_under_the_roots(service: Service, fresh: Callable[..., str], read_root: Path, tmp_path: Path) -> None:
    name = fresh()
    (read_root / "in").mkdir(exist_ok=True)
    (read_root / "in" / "a.png").write_bytes(striped(0))
    (tmp_path / "out.png").write_bytes(striped(1))
    link = read_root / "in" / "link.png"
    link.symlink_to(tmp_path / "out.png")
    address = f"/collections/{name}/items"
    results = service.results(service.client.post(address, json={"href": str(read_root / "in")}))
    link.unlink()
    assert results["indexed"] == 1
    assert "DYAD_READ_ROOTS" in reasons(results)[f"{read_root}/in/link.png"]
    for href, status in (
        (str(tmp_path / "out.png"), 403),
        (f"{read_root}/../../../etc/passwd", 403),
        (str(read_root / "nothing"), 400),
        ("http://127.0.0.1/x.tif", 403),
        ("", 422),
    ):
        answer = service.client.post(address, json={"href": href})
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert service.client.post(address, json={"path": "x"}).status_code == 422
    as_json = {"Content-Type": "application/json"}
    assert service.client.post(address, content=b"nonsense", headers=as_json).status_code == 422
    assert service.client.post(address, content=b"nonsense").status_code == 415


def test_a_stac_item_gives_place_time_and_properties(
    service: Service, fresh: Callable[..., str], read_root: Path, tmp_path: Path
) -> None:
    name, folder = fresh(tile_size=128), read_root / "stac"
    folder.mkdir(exist_ok=True)
    (folder / "plain.png").write_bytes(striped(0))
    shutil.copy(images.rgb_tif(tmp_path / "s.tif", 128, 128), folder / "scene.tif")
    outside = tmp_path / "outside.png"
    outside.write_bytes(striped(5))
    assets = {
        "plain": {"href": "plain.png", "type": "image/png", "roles": ["data"]},
        "scene": {"href": "scene.tif", "type": "image/tiff; application=geotiff", "roles": ["data"]},
        "outside": {"href": str(outside), "type": "image/png", "roles": ["data"]},
    }
    (folder / "item.json").write_text(json.dumps({**STAC, "assets": assets}))
    results = service.results(service.client.post(f"/collections/{name}/items", json={"href": str(folder / "item.json")}))
    assert results["indexed"] == 2
    assert "DYAD_READ_ROOTS" in next(iter(reasons(results).values()))
    found = {item["properties"]["source"].rsplit("#")[1]: item for item in items(service, name)}
    assert found["plain"]["geometry"]["coordinates"] == [[[10, 45], [11, 45], [11, 46], [10, 46], [10, 45]]]
    assert found["scene"]["geometry"] != found["plain"]["geometry"]
    for item in found.values():
        assert item["properties"]["datetime"] == "2020-08-31T10:10:31Z"
        assert item["properties"]["platform"] == "sentinel-2a"


@pytest.mark.parametrize(
    ("metadata", "word"),
    [
        ("{", "not JSON"),
        ("[]", "keyed by file name"),
        ('{"a.png": {"bbox": [1, 2, 3]}}', "four numbers"),
        ('{"a.png": {"bbox": [0, 0, 1, 1], "geometry": {"type": "Point", "coordinates": [0, 0]}}}', "not both"),
        ('{"a.png": {"datetime": "2020-01-01T00:00:00"}}', "timezone"),
        ('{"a.png": {"labels": ["a,b"]}}', "labels"),
        ('{"a.png": {"colour": 1}}', "colour"),
        ('{"a.png": {"geometry": {"type": "Polygon", "coordinates": [[[0, 0], [500, 0], [1, 1], [0, 0]]]}}}', "longitude"),
    ],
)
def test_wrong_metadata_is_refused_whole(service: Service, fresh: Callable[..., str], metadata: str, word: str) -> None:
    name = fresh()
    answer = service.client.post(
        f"/collections/{name}/items", files={"files": ("a.png", striped(0))}, data={"metadata": metadata}
    )
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert word in answer.text
    assert service.staged() == []


def test_uploads_that_are_too_large_or_malformed_are_refused(service: Service, fresh: Callable[..., str]) -> None:
    name = fresh()
    address = f"/collections/{name}/items"
    huge = service.client.post(address, files={"files": ("a.png", bytes(33 << 20))})
    assert (huge.status_code, "32 MB" in huge.json()["detail"]) == (413, True)
    assert service.client.post(address, files={"other": ("a.png", b"x")}).status_code == 422
    assert service.client.post(address, data={"metadata": "{}"}, files={}).status_code in (400, 415, 422)
    twice = [("files", ("a.png", b"x")), ("files", ("a.png", b"y"))]
    assert service.client.post(address, files=twice).status_code == 422
    header = {"Content-Type": "multipart/form-data; boundary=b"}
    broken = service.client.post(address, content=b"--b\r\nContent-Disposition: form-data", headers=header)
    assert broken.status_code == 400
    assert service.client.post(address, content=b"", headers={"Content-Type": "multipart/form-data"}).status_code == 400
    assert service.client.post("/collections/nowhere/items", files={"files": ("a.png", b"x")}).status_code == 404
    assert service.staged() == []


def test_the_sample_scene_is_one_request_away(service: Service) -> None:
    results = service.results(service.client.post("/sample"))
    assert results["indexed"] > 100
    again = service.results(service.client.post("/sample"))
    assert (again["indexed"], again["unchanged"]) == (0, results["indexed"])
    item = items(service, "sample")[0]["id"]
    answer = document(service.client.get("/collections/sample/search", params={"item": item}))
    assert answer["number_returned"] == 10


def test_all_rejected_files_are_counted_and_the_first_are_named(
    service: Service, fresh: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "MAX_LISTED_REJECTIONS", 2)
    name = fresh()
    files = [("files", (f"{number}.png", b"no image")) for number in range(3)]
    accepted = service.client.post(f"/collections/{name}/items", files=files)
    job = service.wait(accepted.headers["location"])
    assert job["status"] == "failed"
    results = document(service.client.get(f"/jobs/{job['id']}/results"))
    assert (results["rejected_count"], len(results["rejected"])) == (3, 2)
    assert document(service.client.get(accepted.headers["location"]))["counts"]["rejected"] == 3
