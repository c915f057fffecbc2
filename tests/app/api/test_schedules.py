"""Schedules over HTTP: what may be set, what a run does with real folders and STAC files."""

from __future__ import annotations

import itertools
import re
import shutil
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import images, stac
from tests.support.service import Service, document

YEARLY = "0 0 1 1 *"
Item = dict[str, Any]


_numbers = itertools.count()


@pytest.fixture
def folder(read_root: Path) -> Path:
    """A folder of the test's own, which the service may read."""
    made = read_root / f"folder-{next(_numbers)}"
    made.mkdir()
    return made


class Scheduled:
    """A collection with a schedule."""

    def __init__(self, service: Service, collection: str) -> None:
        self.service = service
        self.path = f"/collections/{collection}"

    def put(self, sources: list[Any], cron: str = YEARLY, **more: Any) -> httpx.Response:
        return self.service.client.put(f"{self.path}/schedule", json={"cron": cron, "sources": sources, **more})

    def set(self, *sources: Any, **more: Any) -> dict[str, Any]:
        answer = self.put(list(sources), **more)
        assert answer.status_code == 200, answer.text
        return document(answer)

    def show(self) -> dict[str, Any]:
        return document(self.service.client.get(f"{self.path}/schedule"))

    def start(self, **body: Any) -> httpx.Response:
        answer = self.service.client.post(f"{self.path}/schedule/run", json=body or None)
        assert answer.status_code == 201, answer.text
        return answer

    def run(self, **body: Any) -> dict[str, Any]:
        """A run to its end; its result."""
        return self.service.results(self.start(**body))

    def refused(self, **body: Any) -> str:
        """Why a run failed."""
        job = self.service.wait(self.start(**body).headers["location"])
        assert job["status"] == "failed", job
        return str(job["message"])

    def tiles(self) -> dict[str, Item]:
        """The properties of all tiles, by their source within the test's folder."""
        features = document(self.service.client.get(f"{self.path}/items?limit=1000"))["features"]
        return {re.split(r"/folder-\d+/", each["properties"]["source"])[-1]: each["properties"] for each in features}


@pytest.fixture(scope="module")
def refusing(service: Service) -> Scheduled:
    """A collection that no test sets a schedule for."""
    service.create("refusing", model="hog")
    return Scheduled(service, "refusing")


@pytest.fixture
def scheduled(service: Service, fresh: Callable[..., str]) -> Scheduled:
    return Scheduled(service, fresh(model="hog"))


def write(folder: Path, *names: str, seed: int = 0) -> None:
    """Pictures, each of its own."""
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        images.saved(folder / name, images.picture(seed=seed + number))


def counts(result: dict[str, Any], *names: str) -> tuple[int, ...]:
    return tuple(result[name] for name in names)


def test_a_schedule_is_set_shown_replaced_and_removed(scheduled: Scheduled, folder: Path) -> None:
    write(folder, "a.png")
    sources = [str(folder), f"{folder}/**/*.tif", {"path": str(folder), "labels_from_folders": True}]
    made = scheduled.set(*sources, cron="30 2 1 1 *", timezone="Europe/Berlin", on_vanished="remove")
    assert made == scheduled.show()
    assert made["sources"] == sources
    assert (made["cron"], made["timezone"], made["on_vanished"], made["paused"]) == (
        "30 2 1 1 *", "Europe/Berlin", "remove", False,
    )  # fmt: skip
    assert datetime.fromisoformat(made["next_run"]) == datetime(datetime.now(UTC).year + 1, 1, 1, 1, 30, tzinfo=UTC)
    assert [made[name] for name in ("last_run", "last_job", "last_status", "last_result", "skipped")] == [None] * 5
    again = scheduled.set(str(folder), cron="@daily", paused=True)
    assert (again["created"], again["next_run"]) == (made["created"], None)
    assert again["updated"] > made["updated"]
    assert scheduled.service.client.delete(f"{scheduled.path}/schedule").status_code == 204
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/run")):
        answer = scheduled.service.client.request(method, f"{scheduled.path}/schedule{path}")
        assert (answer.status_code, "no schedule" in answer.text) == (404, True)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"cron": "61 * * * *"}, "minute '61'"),
        ({"cron": "0 0 30 2 *"}, "never due"),
        ({"cron": "daily"}, "1 fields"),
        ({"timezone": "Mars/Olympus"}, "no time zone"),
        ({"sources": []}, "sources"),
        ({"sources": ["relative/path"]}, "no whole path"),
        ({"sources": [{"path": "/a", "glob": "/b/*"}]}, "exactly one"),
        ({"sources": [{}]}, "exactly one"),
        ({"sources": [{"stac": "/a", "labels_from_folders": True}]}, "labels_from_folders"),
        ({"on_vanished": "forget"}, "on_vanished"),
        ({"interval": 5}, "interval"),
    ],
)
def test_a_wrong_schedule_is_a_422_that_says_what_is_wrong(
    refusing: Scheduled, folder: Path, body: dict[str, Any], words: str
) -> None:
    given = {"cron": YEARLY, "sources": [str(folder)], **body}
    answer = refusing.service.client.put(f"{refusing.path}/schedule", json=given)
    assert answer.status_code == 422, answer.text
    assert words in answer.text
    assert answer.json()["errors"]
    assert refusing.service.client.get(f"{refusing.path}/schedule").status_code == 404


def test_sources_outside_the_roots_are_refused(refusing: Scheduled, folder: Path, tmp_path: Path) -> None:
    (folder / "away").symlink_to(tmp_path)
    write(tmp_path, "a.png")
    outside = [str(tmp_path), f"{tmp_path}/*.png", "/etc/*", f"{folder}/../../..", f"{folder}/away", {"stac": "/etc/passwd"}]
    for source in (*outside, "file:///etc/passwd", "/*"):
        answer = refusing.put([str(folder), source])
        assert answer.status_code == 403, (source, answer.text)
        assert "DYAD_READ_ROOTS" in answer.json()["detail"]


def test_sources_that_are_not_there_are_refused(refusing: Scheduled, folder: Path) -> None:
    write(folder, "a.png")
    for source in (f"{folder}/gone", f"{folder}/gone/*.tif", f"{folder}/a.png/*", {"stac": f"{folder}/a.png"}, f"{folder}/\0"):
        answer = refusing.put([source])
        assert answer.status_code == 400, (source, answer.text)
        assert str(folder) in answer.json()["detail"]


def test_a_collection_that_is_not_there_has_no_schedule(service: Service) -> None:
    assert Scheduled(service, "nowhere").put(["/"]).status_code == 404


def test_a_folder_is_kept_in_step(scheduled: Scheduled, folder: Path) -> None:
    write(folder, "a.png", "sub/b.png", "sub/c.png", "d.png")
    scheduled.set(str(folder))
    first = scheduled.run()
    assert counts(first, "indexed", "changed", "unchanged", "vanished", "removed") == (4, 0, 0, 0, 0)
    assert len(first["item_ids"]) == 4
    again = scheduled.run()
    assert counts(again, "indexed", "unchanged", "vanished") == (0, 4, 0)
    assert again["item_ids"] == []
    write(folder, "a.png", seed=50)
    write(folder, "new.png", seed=60)
    (folder / "sub" / "b.png").unlink()
    third = scheduled.run()
    assert counts(third, "indexed", "changed", "unchanged", "vanished", "removed") == (2, 1, 2, 1, 0)
    tiles = scheduled.tiles()
    assert len(tiles) == 5
    assert [name for name, tile in tiles.items() if "vanished_at" in tile] == ["sub/b.png"]
    shown = scheduled.show()
    assert (shown["last_status"], shown["last_result"]["changed"]) == ("successful", 1)
    assert shown["last_run"] is not None


def test_a_mark_stays_as_it_is_and_goes_when_the_file_is_back(scheduled: Scheduled, folder: Path) -> None:
    write(folder, "a.png", "b.png")
    scheduled.set(str(folder))
    scheduled.run()
    kept = (folder / "a.png").rename(folder.parent / f"{folder.name}.png")
    assert scheduled.run()["vanished"] == 1
    mark = scheduled.tiles()["a.png"]["vanished_at"]
    assert scheduled.run()["vanished"] == 0
    assert scheduled.tiles()["a.png"]["vanished_at"] == mark
    kept.rename(folder / "a.png")
    assert counts(scheduled.run(), "unchanged", "returned") == (2, 1)
    assert "vanished_at" not in scheduled.tiles()["a.png"]
    (folder / "a.png").unlink()
    scheduled.run()
    write(folder, "a.png", seed=9)
    assert counts(scheduled.run(), "changed", "returned") == (1, 0)
    assert "vanished_at" not in scheduled.tiles()["a.png"]


def test_removed_means_gone_with_its_image(scheduled: Scheduled, folder: Path) -> None:
    write(folder, "a.png", "b.png", "c.png")
    scheduled.set(str(folder))
    scheduled.run()
    (folder / "a.png").unlink()
    scheduled.run()
    scheduled.set(str(folder), on_vanished="remove")
    (folder / "b.png").unlink()
    assert counts(scheduled.run(), "vanished", "removed") == (1, 2)
    assert list(scheduled.tiles()) == ["c.png"]
    blobs = scheduled.service.container.blobs
    owners = {key.rsplit("/", 1)[-1][:36] for key in blobs.keys(f"{scheduled.path[1:]}/")}
    assert len(owners) == 1


def test_an_empty_or_missing_folder_is_not_believed(scheduled: Scheduled, folder: Path) -> None:
    good, other = folder / "good", folder / "other"
    write(good, "a.png", "b.png")
    write(other, "c.png")
    scheduled.set(str(good), str(other), on_vanished="remove")
    scheduled.run()
    shutil.move(good, folder / "away")
    write(other, "new.png", seed=7)
    assert "no such file or folder" in scheduled.refused()
    shown = scheduled.show()
    assert (shown["last_status"], shown["last_result"]["indexed"]) == ("failed", 1)
    good.mkdir()
    reason = scheduled.refused()
    assert "0 of 2 indexed files" in reason
    assert "accept_vanished" in reason
    assert set(scheduled.tiles()) == {"good/a.png", "good/b.png", "other/c.png", "other/new.png"}
    good.rmdir()
    assert scheduled.run(accept_vanished=True)["removed"] == 2
    assert set(scheduled.tiles()) == {"other/c.png", "other/new.png"}


def test_only_tiles_of_the_sources_are_ever_touched(scheduled: Scheduled, folder: Path, service: Service) -> None:
    write(folder, "in/a.png", "in/b.png", "inner/c.png")
    collection = scheduled.path.rsplit("/", 1)[-1]
    service.upload(collection, {"up.png": images.jpeg_bytes()})
    for name in ("in", "inner"):
        answer = service.client.post(f"{scheduled.path}/items", json={"href": str(folder / name)})
        service.results(answer)
    scheduled.set(str(folder / "in"), on_vanished="remove")
    assert scheduled.run()["unchanged"] == 2
    shutil.rmtree(folder / "inner")
    (folder / "in" / "a.png").unlink()
    assert scheduled.run()["removed"] == 1
    assert len(scheduled.tiles()) == 3


def test_a_glob_names_files(scheduled: Scheduled, folder: Path) -> None:
    write(folder, "2024/a.png", "2024/deep/b.png", "2024/deep/c.jpg", "2025/d.png", ".hidden/e.png")
    scheduled.set(f"{folder}/202?/**/*.png")
    assert scheduled.run()["indexed"] == 3
    (folder / "2024" / "a.png").unlink()
    (folder / "2024" / "deep" / "c.jpg").unlink()
    assert scheduled.run()["vanished"] == 1
    assert set(scheduled.tiles()) == {"2024/a.png", "2024/deep/b.png", "2025/d.png"}


def test_two_ways_to_write_a_path_are_one_source(scheduled: Scheduled, folder: Path) -> None:
    write(folder, "sub/a.png")
    scheduled.set(f"file://{folder}")
    scheduled.run()
    scheduled.set(f"/{folder}/./sub/../sub")
    assert scheduled.run()["unchanged"] == 1
    assert set(scheduled.tiles()) == {"sub/a.png"}


def test_labels_from_folders(scheduled: Scheduled, folder: Path) -> None:
    write(folder, "river/a.png", "forest/b.png")
    scheduled.set({"path": str(folder), "labels_from_folders": True})
    scheduled.run()
    assert {name: tile["labels"] for name, tile in scheduled.tiles().items()} == {
        "river/a.png": ["river"],
        "forest/b.png": ["forest"],
    }


def test_what_a_zip_has_no_more_vanishes(scheduled: Scheduled, folder: Path) -> None:
    write(folder, "a.png", "b.png", "c.png")

    def pack(*names: str) -> None:
        with zipfile.ZipFile(folder / "all.zip", "w") as archive:
            for name in names:
                archive.write(folder / name, name)

    pack("a.png", "b.png", "c.png")
    scheduled.set(f"{folder}/*.zip", on_vanished="remove")
    assert scheduled.run()["indexed"] == 3
    pack("a.png", "b.png")
    assert counts(scheduled.run(), "unchanged", "removed") == (2, 1)
    (folder / "all.zip").write_bytes((folder / "all.zip").read_bytes()[:200])
    broken = scheduled.run()
    assert len(broken["rejected"]) >= 1
    assert counts(broken, "vanished", "removed") == (0, 0)
    (folder / "all.zip").unlink()
    assert "0 of 2" in scheduled.refused()


def test_bad_files_and_links_out_are_rejected_one_by_one(scheduled: Scheduled, folder: Path, tmp_path: Path) -> None:
    write(folder, "a.png")
    write(tmp_path, "secret.png")
    (folder / "out.png").symlink_to(tmp_path / "secret.png")
    images.empty_file(folder / "zero.png")
    scheduled.set(str(folder))
    result = scheduled.run()
    assert result["indexed"] == 1
    reasons = {Path(each["file_name"]).name: each["reason"] for each in result["rejected"]}
    assert reasons.keys() == {"out.png", "zero.png"}
    assert "DYAD_READ_ROOTS" in reasons["out.png"]


def test_a_file_that_turns_bad_does_not_vanish(scheduled: Scheduled, folder: Path) -> None:
    write(folder, "a.png", "b.png")
    scheduled.set(str(folder), on_vanished="remove")
    scheduled.run()
    images.empty_file(folder / "a.png")
    assert counts(scheduled.run(), "unchanged", "vanished", "removed") == (1, 0, 0)
    assert len(scheduled.tiles()) == 2


def test_a_link_that_moves_on_keeps_the_names(scheduled: Scheduled, folder: Path) -> None:
    write(folder, "may/a.png", "may/b.png")
    write(folder, "june/a.png")
    (folder / "latest").symlink_to("may")
    scheduled.set(f"{folder}/latest")
    assert scheduled.run()["indexed"] == 2
    (folder / "latest").unlink()
    (folder / "latest").symlink_to("june")
    assert counts(scheduled.run(), "unchanged", "changed", "vanished") == (1, 0, 1)


def test_a_stac_catalogue(scheduled: Scheduled, folder: Path) -> None:
    write(folder, "a.png", "b.png", "c.png")
    members = [stac.item("a", folder / "a.png", labels=["alps"]), stac.item("b", folder / "b.png")]
    path = stac.write_catalogue(folder / "stac", {"s2": members, "naip": [stac.item("c", folder / "c.png")]})
    scheduled.set({"stac": str(path)})
    assert scheduled.run()["indexed"] == 3
    tiles = scheduled.tiles()
    assert set(tiles) == {"stac/catalog.json/s2/a#visual", "stac/catalog.json/s2/b#visual", "stac/catalog.json/naip/c#visual"}
    assert tiles["stac/catalog.json/s2/a#visual"]["labels"] == ["alps"]
    assert tiles["stac/catalog.json/s2/a#visual"]["datetime"] == "2024-05-01T10:00:00Z"
    shutil.rmtree(folder / "stac")
    stac.write_catalogue(folder / "stac", {"s2": members[1:], "naip": [stac.item("c", folder / "b.png")]})
    assert counts(scheduled.run(), "changed", "unchanged", "vanished") == (1, 1, 1)


def test_a_catalogue_that_is_read_in_part_marks_nothing(scheduled: Scheduled, folder: Path) -> None:
    write(folder, "a.png", "b.png", "c.png")
    members = {name: [stac.item(name, folder / f"{name}.png")] for name in ("a", "b", "c")}
    path = stac.write_catalogue(folder / "stac", members)
    scheduled.set(str(path), on_vanished="remove")
    assert scheduled.run()["indexed"] == 3
    (folder / "stac" / "a" / "collection.json").unlink()
    result = scheduled.run()
    assert counts(result, "unchanged", "vanished", "removed") == (2, 0, 0)
    assert [each["source"] for each in result["not_compared"]] == [str(path)]
    assert len(result["rejected"]) == 1
    path.unlink()
    assert "no such file" in scheduled.refused()
    assert len(scheduled.tiles()) == 3


def test_a_stac_item_collection(scheduled: Scheduled, folder: Path) -> None:
    write(folder, "a.png", "b.png")
    path = folder / "items.geojson"
    stac.write_item_collection(path, [stac.item("a", "a.png"), stac.item("b", "b.png")])
    scheduled.set(str(path), on_vanished="remove")
    assert scheduled.run()["indexed"] == 2
    stac.write_item_collection(path, [stac.item("b", "b.png")])
    assert counts(scheduled.run(), "unchanged", "removed") == (1, 1)


def test_the_source_says_what_happens_to_what_vanished(scheduled: Scheduled, folder: Path) -> None:
    write(folder, "keep/a.png", "keep/b.png", "remove/c.png", "remove/d.png")
    scheduled.set(str(folder / "keep"), {"path": str(folder / "remove"), "on_vanished": "remove"})
    scheduled.run()
    (folder / "keep" / "a.png").unlink()
    (folder / "remove" / "c.png").unlink()
    assert counts(scheduled.run(), "vanished", "removed") == (2, 1)
    assert set(scheduled.tiles()) == {"keep/a.png", "keep/b.png", "remove/d.png"}


def test_a_file_of_two_sources_is_indexed_once(scheduled: Scheduled, folder: Path) -> None:
    write(folder, "a.png", "b.png")
    scheduled.set(f"{folder}/*.png", str(folder), str(folder / "a.png"))
    assert counts(scheduled.run(), "indexed", "files") == (2, 2)


def test_labels_of_people_survive_every_run(scheduled: Scheduled, folder: Path) -> None:
    write(folder, "a.png", "b.png", "c.png")
    scheduled.set(str(folder))
    item = scheduled.run()["item_ids"][0]
    client = scheduled.service.client
    client.patch(f"{scheduled.path}/items/{item}", json={"labels": ["mine"], "properties": {"note": "x"}})
    source = Path(document(client.get(f"{scheduled.path}/items/{item}"))["properties"]["source"])
    data = source.read_bytes()
    source.unlink()
    scheduled.run()
    source.write_bytes(data)
    scheduled.run()
    properties = document(client.get(f"{scheduled.path}/items/{item}"))["properties"]
    assert (properties["labels"], properties["note"], "vanished_at" in properties) == (["mine"], "x", False)


def test_a_second_run_waits_for_the_first(scheduled: Scheduled, folder: Path) -> None:
    write(folder, *(f"{number}.png" for number in range(60)))
    scheduled.set(str(folder))
    first = scheduled.start()
    second = scheduled.service.client.post(f"{scheduled.path}/schedule/run")
    assert second.status_code == 409
    assert first.json()["id"] in second.json()["detail"]
    assert scheduled.service.results(first)["indexed"] == 60


def test_removing_the_schedule_dismisses_its_run(scheduled: Scheduled, folder: Path) -> None:
    write(folder, *(f"{number}.png" for number in range(100)))
    scheduled.set(str(folder))
    location = scheduled.start().headers["location"]
    assert scheduled.service.client.delete(f"{scheduled.path}/schedule").status_code == 204
    assert scheduled.service.wait(location)["status"] == "dismissed"


def test_a_collection_takes_its_schedule_with_it(scheduled: Scheduled, folder: Path) -> None:
    scheduled.set(str(folder))
    collection = scheduled.path.rsplit("/", 1)[-1]
    assert scheduled.service.client.delete(scheduled.path).status_code == 204
    blobs = scheduled.service.container.blobs
    assert not any(collection in key for prefix in ("schedules/", "schedule-states/") for key in blobs.keys(prefix))
    scheduled.service.create(collection)
    assert scheduled.service.client.get(f"{scheduled.path}/schedule").status_code == 404
