"""`dyad export` writes all items to a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas

if TYPE_CHECKING:
    from tests.support.command import Archive, Dyad


def test_files_of_all_formats(dyad: Dyad, archive: Archive, tmp_path: Path) -> None:
    for suffix in ("geojson", "geojsonl", "csv", "gpkg", "fgb", "parquet"):
        file = tmp_path / f"tiles.{suffix}"
        ran = dyad("export", "shapes", file, "--json", "--home", archive.home)
        assert (ran.code, ran.err) == (0, ""), ran.err
        assert ran.json["bytes"] == file.stat().st_size
        read = geopandas.read_parquet if suffix == "parquet" else geopandas.read_file
        assert set(read(file)["id"]) == set(archive.result["item_ids"]), suffix


def test_a_filter_and_wrong_usage(dyad: Dyad, archive: Archive, tmp_path: Path) -> None:
    file = tmp_path / "slopes.geojson"
    ran = dyad("export", "shapes", file, "--filter", "labels = 'slopes'", "--sortby", "-file_name", "--home", archive.home)
    assert ran.code == 0, ran.err
    names = [each["properties"]["file_name"] for each in json.loads(file.read_text())["features"]]
    assert names == ["slopes2.png", "slopes1.png", "slopes0.png"]
    assert dyad("export", "shapes", tmp_path / "tiles.shp", "--home", archive.home).code == 2
    assert "exists" in dyad("export", "shapes", file, "--home", archive.home).err
    wrong = dyad("export", "shapes", tmp_path / "other.csv", "--filter", "=", "--home", archive.home)
    assert (wrong.code, "not valid CQL2" in wrong.err) == (1, True)
    assert not (tmp_path / "other.csv").exists()


def test_place_time_and_labels(dyad: Dyad, archive: Archive, tmp_path: Path) -> None:
    def names(name: str, *options: str) -> list[str]:
        file = tmp_path / f"{name}.geojson"
        ran = dyad("export", "shapes", file, "--sortby", "file_name", *options, "--home", archive.home)
        assert ran.code == 0, ran.err
        return [each["properties"]["file_name"] for each in json.loads(file.read_text())["features"]]

    assert names("labels", "--labels", "stripes") == ["stripes0.png", "stripes1.png", "stripes2.png"]
    assert names("json", "--filter", '{"op": "=", "args": [{"property": "file_name"}, "slopes0.png"]}') == ["slopes0.png"]
    assert names("place", "--bbox", "0,0,1,1") == names("time", "--datetime", "2020-01-01/..") == []


def test_a_search_with_a_filter_and_a_place(dyad: Dyad, archive: Archive) -> None:
    one = archive.result["item_ids"][0]
    ran = dyad("search", "shapes", one, "--filter", "labels = 'slopes'", "--json", "--home", archive.home)
    assert {label for each in ran.json["features"] for label in each["properties"]["labels"]} == {"slopes"}, ran.err
    nowhere = dyad("search", "shapes", "--point", "10,50", "--home", archive.home)
    assert (nowhere.code, "50" in nowhere.err) == (1, True), nowhere.err
    for options in ((), ("--point", "10"), (one, "--filter", "{")):
        assert dyad("search", "shapes", *options, "--home", archive.home).code == 2
