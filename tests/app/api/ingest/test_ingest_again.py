"""Files that are uploaded again: labels and properties stay while the picture is the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window as RasterWindow

from app.domain.queries.search import TileFilter
from app.services.ingest.writer import Writer
from tests.support import images
from tests.support.pictures import striped
from tests.support.scheduled import Scheduled
from tests.support.service import Service, document

A = "a.png"
PLACE = [10.0, 50.0, 10.01, 50.01]


class Files:
    """A collection into which files are uploaded repeatedly."""

    def __init__(self, service: Service, name: str) -> None:
        self.service = service
        self.name = name

    def send(self, file: str, data: bytes | Path, metadata: dict[str, Any] | None = None) -> dict[str, Any]:
        return self.service.upload(self.name, {file: data}, None if metadata is None else {file: metadata})

    def all(self) -> list[dict[str, Any]]:
        return list(document(self.service.client.get(f"/collections/{self.name}/items?limit=1000"))["features"])

    def one(self) -> dict[str, Any]:
        (item,) = self.all()
        return item

    def patch(self, item: dict[str, Any], **changes: Any) -> None:
        answer = self.service.client.patch(f"/collections/{self.name}/items/{item['id']}", json=changes)
        assert answer.status_code == 200, answer.text

    def forget_new_fields(self) -> None:
        """Turn all records into those of an older version."""
        index = self.service.container.collections.live(self.name).index
        vectors = self.service.container.vectors
        tiles = vectors.scroll(index, limit=1000, filter=TileFilter()).tiles
        vectors.set_records(index, [replace(tile, picture_hash=None, sent=None) for tile in tiles])


@pytest.fixture
def files(service: Service, fresh: Callable[..., str]) -> Files:
    return Files(service, fresh(model="hog", tile_size=64))


@pytest.fixture
def embedded(service: Service, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the batches that are embedded."""
    sizes: list[int] = []
    model = service.container.models.load("hog")
    embed = type(model).embed

    def counted(self: Any, pixels: Any) -> Any:
        sizes.append(len(pixels))
        return embed(self, pixels)

    monkeypatch.setattr(type(model), "embed", counted)
    return sizes


@pytest.fixture(params=["new records", "old records"])
def age(request: pytest.FixtureRequest, files: Files) -> Callable[[], None]:
    """A function that makes the records old, or does nothing."""
    return files.forget_new_fields if request.param == "old records" else lambda: None


def test_an_upload_without_metadata_changes_nothing(files: Files, age: Callable[[], None], embedded: list[int]) -> None:
    files.send(A, striped(0), {"labels": ["sent"], "bbox": PLACE, "datetime": "2020-01-02T03:04:05Z", "properties": {"a": 1}})
    files.patch(files.one(), labels=["hand"], properties={"b": 2})
    before = files.one()
    embedded.clear()
    age()
    files.send(A, striped(0))
    assert files.one() == before
    assert files.send(A, striped(0))["unchanged"] == 1
    assert embedded == []


def test_metadata_changes_only_what_it_names(files: Files, age: Callable[[], None], embedded: list[int]) -> None:
    files.send(A, striped(0), {"properties": {"a": 1, "c": 3}})
    files.patch(files.one(), labels=["hand"], properties={"b": 2})
    age()
    embedded.clear()
    results = files.send(A, striped(0), {"datetime": "2020-01-02T03:04:05Z", "properties": {"a": 5}})
    assert (results["indexed"], results["item_ids"]) == (1, [files.one()["id"]])
    found = files.one()["properties"]
    assert (found["labels"], found["a"], found["b"], found["c"]) == (["hand"], 5, 2, 3)
    assert found["datetime"] == "2020-01-02T03:04:05Z"
    files.send(A, striped(0), {"bbox": PLACE})
    found = files.one()
    assert found["geometry"] is not None
    assert (found["properties"]["labels"], found["properties"]["datetime"]) == (["hand"], "2020-01-02T03:04:05Z")
    assert embedded == []
    assert files.service.client.get(f"/collections/{files.name}/items/{found['id']}/thumbnail").status_code == 200


def test_named_labels_replace_unless_they_were_sent_before(files: Files) -> None:
    files.send(A, striped(0), {"labels": ["one"]})
    files.patch(files.one(), labels=["hand"])
    assert files.send(A, striped(0), {"labels": ["one"]})["unchanged"] == 1
    files.send(A, striped(0), {"labels": ["one"], "properties": {"revision": 2}})
    assert (files.one()["properties"]["labels"], files.one()["properties"]["revision"]) == (["hand"], 2)
    files.send(A, striped(0), {"labels": ["two"]})
    assert files.one()["properties"]["labels"] == ["two"]
    files.send(A, striped(0), {"labels": []})
    assert files.one()["properties"]["labels"] == []


def test_another_picture_loses_the_labels(files: Files) -> None:
    files.send(A, striped(0), {"labels": ["one"]})
    files.patch(files.one(), labels=["hand"])
    results = files.send(A, striped(70))
    assert results["indexed"] == 1
    assert files.one()["properties"]["labels"] == []


def test_the_same_pixels_in_other_bytes_keep_the_labels(files: Files, tmp_path: Path, age: Callable[[], None]) -> None:
    picture = images.picture()
    first, second = (images.saved(tmp_path / f"{level}.png", picture, compress_level=level).read_bytes() for level in (1, 9))
    assert first != second
    files.send(A, first)
    files.patch(files.one(), labels=["hand"])
    age()
    files.send(A, second)
    assert files.one()["properties"]["labels"] == ["hand"]
    image = files.service.client.get(f"/collections/{files.name}/items/{files.one()['id']}/image")
    assert image.content == second


def test_the_windows_of_a_scene_keep_their_labels(
    files: Files, tmp_path: Path, age: Callable[[], None], embedded: list[int]
) -> None:
    scene = images.rgb_tif(tmp_path / "s.tif", 128, 192)
    files.send("s.tif", scene)
    for number, item in enumerate(files.all()):
        files.patch(item, labels=[f"hand {number}"])
    age()
    embedded.clear()
    files.send("s.tif", scene, {"properties": {"campaign": "x"}})
    assert [item["properties"]["labels"] for item in files.all()] == [[f"hand {number}"] for number in range(6)]
    assert {item["properties"]["campaign"] for item in files.all()} == {"x"}
    assert embedded == []


def test_only_the_changed_windows_of_a_scene_lose_their_labels(files: Files, tmp_path: Path, age: Callable[[], None]) -> None:
    scene = images.rgb_tif(tmp_path / "s.tif", 128, 192)
    files.send("s.tif", scene)
    for item in files.all():
        files.patch(item, labels=["hand"], properties={"note": item["id"]})
    age()
    with rasterio.open(scene, "r+") as raster:
        raster.write(np.full((3, 10, 10), 200, np.uint8), window=RasterWindow(70, 10, 10, 10))
    results = files.send("s.tif", scene)
    assert results["indexed"] == 6
    labels = {item["properties"]["window"]: item["properties"]["labels"] for item in files.all()}
    assert labels.pop("64,0,64,64") == []
    assert set(map(tuple, labels.values())) == {("hand",)}
    assert sum("note" in item["properties"] for item in files.all()) == 5


def test_a_place_that_was_sent_stays(files: Files, tmp_path: Path, age: Callable[[], None]) -> None:
    scene = images.rgb_tif(tmp_path / "s.tif", 128, 192)
    files.send("s.tif", scene, {"bbox": PLACE})
    files.patch(files.one(), labels=["hand"])
    before = files.one()
    age()
    files.send("s.tif", scene)
    assert files.one() == before
    files.send("s.tif", scene, {"properties": {"a": 1}})
    assert (files.one()["geometry"], files.one()["properties"]["labels"]) == (before["geometry"], ["hand"])


def test_windows_are_replaced_by_a_whole_tile_if_a_place_is_sent(files: Files, tmp_path: Path) -> None:
    scene = images.rgb_tif(tmp_path / "s.tif", 128, 192)
    files.send("s.tif", scene)
    assert len(files.all()) == 6
    files.send("s.tif", scene, {"bbox": PLACE})
    assert files.one()["properties"]["window"] is None


def test_edits_during_an_upload_stay(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    files.send(A, striped(0))
    item = files.one()
    update = Writer.update

    def late(self: Writer, change: Any) -> None:
        files.patch(item, labels=["late"])
        update(self, change)

    monkeypatch.setattr(Writer, "update", late)
    files.send(A, striped(0), {"properties": {"a": 1}})
    assert (files.one()["properties"]["labels"], files.one()["properties"]["a"]) == (["late"], 1)


def test_a_stac_item_that_changes_keeps_hand_given_labels(scheduled: Scheduled, folder: Path) -> None:
    images.saved(folder / "x.png")
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "x",
        "geometry": {"type": "Polygon", "coordinates": [[[10, 45], [11, 45], [11, 46], [10, 46], [10, 45]]]},
        "bbox": [10, 45, 11, 46],
        "properties": {"datetime": "2020-08-31T10:10:31Z", "updated": "2020-09-01T00:00:00Z"},
        "links": [],
        "assets": {"visual": {"href": "./x.png", "roles": ["data"], "type": "image/png"}},
    }
    path = folder / "item.json"
    path.write_text(json.dumps(item))
    scheduled.set(str(path))
    scheduled.run()
    name = scheduled.path.rsplit("/", 1)[-1]
    files = Files(scheduled.service, name)
    files.patch(files.one(), labels=["burnt"])
    item["properties"] |= {"updated": "2021-01-01T00:00:00Z"}
    item["geometry"]["coordinates"] = [[[10, 45], [12, 45], [12, 46], [10, 46], [10, 45]]]
    path.write_text(json.dumps(item))
    scheduled.run()
    found = files.one()
    assert found["properties"]["labels"] == ["burnt"]
    assert [12, 45] in found["geometry"]["coordinates"][0]
    assert scheduled.run()["unchanged"] == 1


def test_class_folders_do_not_undo_edits(scheduled: Scheduled, folder: Path) -> None:
    (folder / "forest").mkdir()
    images.saved(folder / "forest" / "x.png")
    scheduled.set({"path": str(folder), "labels_from_folders": True})
    scheduled.run()
    files = Files(scheduled.service, scheduled.path.rsplit("/", 1)[-1])
    assert files.one()["properties"]["labels"] == ["forest"]
    files.patch(files.one(), labels=["forest", "burnt"])
    assert scheduled.run()["unchanged"] == 1
    assert files.one()["properties"]["labels"] == ["forest", "burnt"]
