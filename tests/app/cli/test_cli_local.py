"""The command on a state folder that it opens itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.cli.command_tree import build

if TYPE_CHECKING:
    from tests.support.command import Archive, Dyad


def test_index_counts_and_labels_by_folder(dyad: Dyad, archive: Archive) -> None:
    assert archive.result["indexed"] == 6
    assert archive.result["rejected"] == []
    assert len(set(archive.result["item_ids"])) == 6
    found = dyad("search", "shapes", archive.result["item_ids"][0], "--json", "--home", archive.home).json
    assert {feature["properties"]["source"] for feature in found["features"]} < {
        f"pictures/{kind}/{kind}{seed}.png" for kind in ("stripes", "slopes") for seed in range(3)
    }
    for feature in found["features"]:
        assert feature["properties"]["labels"] == [feature["properties"]["source"].split("/")[1]]


def test_search_by_image_finds_itself_first_then_its_kind(dyad: Dyad, archive: Archive, pictures: Path) -> None:
    ran = dyad("search", "shapes", pictures / "slopes" / "slopes1.png", "--limit", 3, "--json", "--home", archive.home)
    assert ran.code == 0
    assert ran.err == ""
    properties = [feature["properties"] for feature in ran.json["features"]]
    assert [each["rank"] for each in properties] == [1, 2, 3]
    assert properties[0]["file_name"] == "slopes1.png"
    assert {label for each in properties for label in each["labels"]} == {"slopes"}
    assert ran.json["number_matched"] == 6


def test_search_by_id_with_filter_and_negatives(dyad: Dyad, archive: Archive) -> None:
    first, second, *_ = archive.result["item_ids"]
    ran = dyad("search", "shapes", first, "--negative", second, "--labels", "stripes", "--json", "--home", archive.home)
    assert ran.code == 0
    ids = [feature["id"] for feature in ran.json["features"]]
    assert ids
    assert not {first, second} & set(ids)
    assert all(feature["properties"]["labels"] == ["stripes"] for feature in ran.json["features"])


def test_search_prints_a_table(dyad: Dyad, archive: Archive, pictures: Path) -> None:
    ran = dyad("search", "shapes", pictures / "stripes" / "stripes0.png", "--limit", 2, DYAD_HOME=str(archive.home))
    header, *rows = ran.out.splitlines()
    assert header.split() == ["rank", "score", "match", "file", "labels", "id"]
    assert rows[0].split()[2:5] == ["100%", "pictures/stripes/stripes0.png", "stripes"]
    assert len(rows) == 2


def test_nothing_qualifies(dyad: Dyad, archive: Archive, pictures: Path) -> None:
    image = pictures / "stripes" / "stripes0.png"
    ran = dyad("search", "shapes", image, "--bbox", "-10,-10,10,10", "--home", archive.home)
    assert (ran.code, ran.out) == (0, "")
    assert ran.err_lines == ["no results: no tile of shapes matches the filters"]


def test_collections_live_and_die(dyad: Dyad, tmp_path: Path) -> None:
    home = ("--home", tmp_path / "home")
    settings = ("--tile-size", 128, "--bands", "4,3,2", "--scaling", "range:0,3000")
    created = dyad("collections", "create", "s2", *settings, "--json", *home)
    assert created.code == 0, created.err
    assert created.json["bands"] == [4, 3, 2]
    assert created.json["scaling"] | {"method": "range", "low": 0.0, "high": 3000.0} == created.json["scaling"]
    shown = dyad("collections", "show", "s2", "--json", *home)
    assert shown.json == created.json
    again = dyad("collections", "create", "s2", *home)
    assert (again.code, again.out, len(again.err_lines)) == (1, "", 1)
    assert "s2" in again.err
    assert dyad("collections", "delete", "s2", *home).code == 2
    assert dyad("collections", "delete", "s2", "--yes", "--json", *home).json == {"deleted": "s2", "item_count": 0}
    assert dyad("collections", "list", "--json", *home).json == {"collections": []}


def test_models(dyad: Dyad, archive: Archive) -> None:
    home = ("--home", archive.home)
    models = dyad("models", "list", "--json", *home).json["models"]
    assert [model["default"] for model in models] == [True] + [False] * (len(models) - 1)
    name = models[0]["id"]
    assert dyad("models", "show", name, "--json", *home).json == models[0]
    unknown = dyad("models", "show", "nobody", *home)
    assert (unknown.code, len(unknown.err_lines)) == (1, 1)
    assert name in unknown.err


def test_jobs(dyad: Dyad, archive: Archive) -> None:
    home = ("--home", archive.home)
    jobs = dyad("jobs", "list", "--status", "successful", "--json", *home).json["jobs"]
    assert [job["collection"] for job in jobs] == ["shapes"]
    shown = dyad("jobs", "show", jobs[0]["id"], "--json", *home)
    assert shown.json == jobs[0]
    assert dyad("jobs", "cancel", jobs[0]["id"], "--json", *home).json["status"] == "successful"


def test_index_again_changes_nothing_and_changed_content_replaces(dyad: Dyad, tmp_path: Path, pictures: Path) -> None:
    folder = tmp_path / "copies"
    folder.mkdir()
    image, other = pictures / "stripes" / "stripes0.png", pictures / "slopes" / "slopes0.png"
    (folder / "one.png").write_bytes(image.read_bytes())
    run = ("index", "copies", folder, "--json", "--home", tmp_path / "home")
    first = dyad(*run).json
    second = dyad(*run).json
    assert (second["indexed"], second["unchanged"], second["item_ids"]) == (0, 1, first["item_ids"])
    (folder / "one.png").write_bytes(other.read_bytes())
    third = dyad(*run).json
    assert (third["indexed"], third["unchanged"], third["item_ids"]) == (1, 0, first["item_ids"])


def test_bad_files_are_named_and_fail_nothing_else(dyad: Dyad, tmp_path: Path, pictures: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "good.png").write_bytes((pictures / "slopes" / "slopes0.png").read_bytes())
    (folder / "text.tif").write_text("no picture")
    ran = dyad("index", "mixed", folder, "--home", tmp_path / "home")
    assert ran.code == 0
    assert ran.out.splitlines()[0].startswith("mixed: 1 indexed, 0 unchanged, 1 rejected")
    assert [line.split(":")[0] for line in ran.err_lines] == ["rejected mixed/text.tif", "1 of 2 files were rejected"]


def test_nothing_but_bad_files_is_a_failure(dyad: Dyad, tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    ran = dyad("index", "bad", tmp_path / "empty.jpg", "--json", "--home", tmp_path / "home")
    assert ran.code == 1
    assert [each["file_name"] for each in ran.json["rejected"]] == ["empty.jpg"]
    assert ran.err_lines[-1] == "dyad: nothing was indexed: every file was rejected"


def test_an_existing_collection_keeps_its_settings(dyad: Dyad, archive: Archive, pictures: Path) -> None:
    ran = dyad("index", "shapes", pictures, "--tile-size", 100, "--home", archive.home)
    assert (ran.code, ran.out, len(ran.err_lines)) == (1, "", 1)
    assert "tile_size 256" in ran.err


def test_unknown_setting_is_one_line(dyad: Dyad, tmp_path: Path) -> None:
    for command in (("serve",), ("collections", "list")):
        ran = dyad(*command, DYAD_HOME=str(tmp_path / "home"), DYAD_PROT="8000")
        assert (ran.code, ran.out, len(ran.err_lines)) == (1, "", 1)
        assert "DYAD_PROT" in ran.err


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("index", "a"),
        ("index", "a", "/no/such/path"),
        ("search", "a", "neither-file-nor-id"),
        ("search", "a", "00000000-0000-0000-0000-000000000000", "--bbox", "1,2,3"),
        ("collections", "list", "--url", "http://127.0.0.1:1", "--home", "x"),
        ("collections", "create", "a", "--scaling", "range:low"),
        ("no-such-command",),
    ],
)
def test_wrong_usage(dyad: Dyad, tmp_path: Path, args: tuple[str, ...]) -> None:
    ran = dyad(*args, DYAD_HOME=str(tmp_path / "home"))
    assert (ran.code, ran.out) == (2, "" if args else ran.out)
    assert not (tmp_path / "home").exists()


def test_help_is_everywhere_with_an_example(dyad: Dyad) -> None:
    commands = build()
    groups = [("", commands), *((f"{group.name} ", group.typer_instance) for group in commands.registered_groups)]
    for prefix, group in groups:
        assert group is not None
        for command in group.registered_commands:
            assert command.callback is not None
            name = command.name or command.callback.__name__
            assert f"dyad {prefix}{name}" in (command.callback.__doc__ or "").split("Example")[1]
    ran = dyad("--help")
    assert ran.code == 0
    assert all(name in ran.out for name in ("serve", "index", "search", "collections", "models", "jobs"))


def test_json_is_one_document(dyad_process: Dyad, archive: Archive) -> None:
    for command in (("collections", "list"), ("models", "list"), ("jobs", "list"), ("collections", "show", "shapes")):
        ran = dyad_process(*command, "--json", "--home", archive.home)
        assert isinstance(json.loads(ran.out), dict)
        assert ran.err == ""
