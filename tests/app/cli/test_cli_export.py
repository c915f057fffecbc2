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
