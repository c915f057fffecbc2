"""`dyad suggest` and `dyad classes`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.command import Dyad


def test_suggestions_and_classes(dyad: Dyad, pictures: Path, tmp_path: Path) -> None:
    home = ("--home", str(tmp_path / "home"))
    assert dyad("index", "shapes", pictures, *home).code == 0
    listed = dyad("suggest", "shapes", "--limit", "3", *home)
    assert (listed.code, len(listed.out.splitlines())) == (0, 4)
    document = dyad("suggest", "shapes", "--json", *home).json
    item = document["features"][0]["id"]
    nothing = dyad("classes", "shapes", item, *home)
    assert (nothing.code, nothing.err_lines) == (
        0,
        ["no tile of the collection has a label; label tiles of two or more classes"],
    )
    assert "none of these" in nothing.out
    file = tmp_path / "labels.csv"
    file.write_text("file_name,label\nstripes0.png,flat\nslopes1.png,steep\n")
    assert dyad("label", "shapes", file, *home).code == 0
    found = dyad("classes", "shapes", item, "--json", *home).json
    assert {each["label"] for each in found["classes"]} == {"flat", "steep"}
    assert len(dyad("suggest", "shapes", "--json", *home).json["features"]) == len(document["features"]) - 2
    assert dyad("classes", "shapes", "00000000-0000-0000-0000-000000000000", *home).code == 1
