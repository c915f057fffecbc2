"""Runs of schedules over HTTP, with real folders, zip files and STAC files."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from tests.support import images, stac
from tests.support.scheduled import Scheduled, counts, write
from tests.support.service import Service, document


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
