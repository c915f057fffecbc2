"""Syncs of files that did not change since they were indexed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.container import Container
from app.domain.jobs import JobStatus
from app.domain.queries.search import TileFilter
from app.domain.scheduling.schedules import Source
from app.domain.tiles import Tile
from app.services.ingest.file_reader import FileReader
from app.services.ingest.writer import Writer
from app.services.schedules import source_listing
from tests.support import images
from tests.support.archives import opened
from tests.support.labelled import ended
from tests.support.web import Answer, web_server

NAME = "synced"
SCENE_TILES = 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures and a scene of four tiles, written some time ago."""
    made = tmp_path / "pictures"
    made.mkdir()
    for number in range(3):
        images.saved(made / f"{number}.png", images.picture(seed=number))
    images.rgb_tif(made / "scene.tif", 128, 128)
    for path in made.iterdir():
        age(path)
    return made


@pytest.fixture
def parts(tmp_path: Path, folder: Path) -> Iterator[Container]:
    with opened(tmp_path / "home", read_roots=(str(folder),)) as container:
        container.collections.create(NAME, model="hog", tile_size=64)
        container.schedules.put(NAME, cron="@yearly", sources=[str(folder)])
        yield container


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are opened, in any order."""
    names: list[str] = []
    version = FileReader.version

    def noted(self: FileReader, source: Any) -> Any:
        names.append(source.file_name)
        return version(self, source)

    monkeypatch.setattr(FileReader, "version", noted)
    return names


def age(path: Path, seconds: float = 60) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def synced(parts: Container, **wishes: bool) -> dict[str, Any]:
    job = ended(parts, parts.schedules.submit(NAME, **wishes))
    assert job.status is JobStatus.SUCCESSFUL, job.error
    assert job.result is not None
    return job.result


def tiles(parts: Container) -> list[Tile]:
    return parts.vectors.scroll(parts.collections.live(NAME).index, limit=1000, filter=TileFilter()).tiles


def test_a_second_run_opens_only_what_changed(parts: Container, folder: Path, read: list[str]) -> None:
    assert synced(parts)["indexed"] == 3 + SCENE_TILES
    assert sorted(read) == ["0.png", "1.png", "2.png", "scene.tif"]
    read.clear()
    result = synced(parts)
    assert (result["unchanged"], result["indexed"], result["files"], read) == (3 + SCENE_TILES, 0, 4, [])
    images.saved(folder / "1.png", images.picture(seed=100))
    age(folder / "1.png", 30)
    images.saved(folder / "new.png", images.picture(seed=101))
    age(folder / "new.png")
    result = synced(parts)
    assert (result["unchanged"], result["indexed"], result["changed"]) == (2 + SCENE_TILES, 2, 1)
    assert sorted(read) == ["1.png", "new.png"]
    read.clear()
    assert synced(parts, force=True)["unchanged"] == 4 + SCENE_TILES
    assert len(read) == 5
    read.clear()
    assert synced(parts)["unchanged"] == 4 + SCENE_TILES
    assert read == [], "a forced run marks files, too"


def test_what_lies_beside_a_file_and_its_labels_are_a_part_of_it(parts: Container, folder: Path, read: list[str]) -> None:
    synced(parts)
    read.clear()
    (folder / "0.pgw").write_text("0.1\n0\n0\n-0.1\n5\n50\n")
    age(folder / "0.pgw")
    synced(parts)
    assert read == ["0.png"]
    read.clear()
    parts.schedules.put(NAME, cron="@yearly", sources=[Source(path=str(folder), labels_from_folders=True)])
    synced(parts)
    assert len(read) == 4
    assert {tile.labels for tile in tiles(parts)} == {("pictures",)}
    read.clear()
    synced(parts)
    assert read == []


def test_a_file_that_was_written_just_now_is_read_again(parts: Container, folder: Path, read: list[str]) -> None:
    images.saved(folder / "0.png", images.picture(seed=7))
    synced(parts)
    read.clear()
    synced(parts)
    assert read == ["0.png"]


def test_a_file_of_which_a_tile_was_deleted_is_read_again(parts: Container, read: list[str]) -> None:
    synced(parts)
    for tile in [next(each for each in tiles(parts) if each.window is not None), tiles(parts)[0]]:
        read.clear()
        parts.items.delete(NAME, tile.id)
        synced(parts)
        assert read == [tile.file_name]
        assert len(tiles(parts)) == 3 + SCENE_TILES
    read.clear()
    synced(parts)
    assert read == []


def test_a_file_that_is_missing_for_a_run_is_read_when_it_returns(parts: Container, folder: Path, read: list[str]) -> None:
    synced(parts)
    (folder / "0.png").rename(folder.parent / "away.png")
    assert synced(parts)["vanished"] == 1
    (folder.parent / "away.png").rename(folder / "0.png")
    read.clear()
    assert synced(parts)["returned"] == 1
    assert read == ["0.png"]
    assert all("vanished_at" not in tile.properties for tile in tiles(parts))


def test_an_interrupted_file_is_read_again(
    parts: Container, folder: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if the file gets its earlier content and stamp back: one of its tiles has the new content by then."""
    monkeypatch.setattr(source_listing, "stamp_of", lambda path: f"{path.stat().st_size} {path.stat().st_mtime_ns}")
    synced(parts)
    scene = folder / "scene.tif"
    content, times = scene.read_bytes(), scene.stat()
    before = {tile.id: tile.content_hash for tile in tiles(parts)}
    images.rgb_tif(scene, 128, 128, seed=9)
    age(scene)
    embed = Writer._embed

    def broken(self: Writer) -> None:
        if not self._batch:
            return
        self._batch = self._batch[:1]
        embed(self)
        self._store()
        raise RuntimeError("a fault within the file")

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "_embed", broken)
        assert ended(parts, parts.schedules.submit(NAME)).status is JobStatus.FAILED
    assert sum(before[tile.id] != tile.content_hash for tile in tiles(parts)) == 1
    scene.write_bytes(content)
    os.utime(scene, ns=(times.st_atime_ns, times.st_mtime_ns))
    read.clear()
    synced(parts)
    assert read == ["scene.tif"]
    assert {tile.id: tile.content_hash for tile in tiles(parts)} == before


def test_marks_survive_a_backup_and_a_copy_of_the_index(parts: Container, tmp_path: Path, read: list[str]) -> None:
    synced(parts)
    marks = sorted(tile.mark or "" for tile in tiles(parts))
    assert sum(map(bool, marks)) == 4, "one for each file"
    index = parts.collections.live(NAME).index
    parts.vectors.snapshot(index, tmp_path / "snapshot")
    parts.vectors.restore(f"{NAME}.hog.9", tmp_path / "snapshot")
    parts.vectors.copy_with_vectors(index, f"{NAME}.hog.8", lambda old: -old.embedding, step=lambda *_: None)
    for copy in (f"{NAME}.hog.9", f"{NAME}.hog.8"):
        copied = parts.vectors.scroll(copy, limit=1000, filter=TileFilter()).tiles
        assert sorted(tile.mark or "" for tile in copied) == marks
    read.clear()
    parts.vectors.set_labels(index, {tile.id: ("b",) for tile in tiles(parts)})
    synced(parts)
    assert read == []
    assert {tile.labels for tile in tiles(parts)} == {("b",)}


@pytest.mark.parametrize(
    "headers",
    [
        {"ETag": '"1"'},
        {"Last-Modified": "Tue, 03 Nov 2026 10:00:00 GMT", "Date": "Sun, 29 Nov 2026 10:00:00 GMT"},
    ],
)
def test_a_file_on_the_web_is_fetched_again_only_if_it_changed(
    tmp_path: Path, read: list[str], headers: dict[str, str]
) -> None:
    picture = images.saved(tmp_path / "a.png").read_bytes()
    other = images.saved(tmp_path / "b.png", images.picture(seed=5)).read_bytes()
    with web_server({"/a.png": Answer(picture, 200, headers)}) as web:
        roots, networks = (f"{web.url}/",), ("127.0.0.1/32",)
        with opened(tmp_path / "home", read_roots=roots, read_networks=networks) as parts:
            parts.collections.create(NAME, model="hog", tile_size=64)
            parts.schedules.put(NAME, cron="@yearly", sources=[f"{web.url}/a.png"])
            assert synced(parts)["indexed"] == 1
            assert [method for method, *_ in web.asked] == ["GET"], "no mark yet, so no HEAD request"
            web.asked.clear()
            assert synced(parts)["unchanged"] == 1
            assert [method for method, *_ in web.asked] == ["HEAD"]
            changed = {"ETag": '"2"'} if "ETag" in headers else {**headers, "Last-Modified": "Tue, 03 Nov 2026 10:00:01 GMT"}
            web.answers["/a.png"] = Answer(other, 200, changed)
            web.asked.clear()
            assert synced(parts)["changed"] == 1
            assert [method for method, *_ in web.asked] == ["HEAD", "GET"]
            web.answers["/a.png"] = Answer(other, 200, {})
            read.clear()
            for _ in range(2):
                assert synced(parts)["unchanged"] == 1
            assert len(read) == 2, "a server that tells neither"


def test_a_mark_needs_the_same_rules(parts: Container, read: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    synced(parts)
    read.clear()
    monkeypatch.setattr("app.services.ingest.incoming.file_marks.FORMAT", 2)
    synced(parts)
    assert len(read) == 4
