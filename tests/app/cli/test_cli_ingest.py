"""`dyad index` with and without a running service: the same labels, scenes, notes and exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import images
from tests.support.pictures import striped

if TYPE_CHECKING:
    from tests.support.command import Dyad, Service

    Serve = Callable[..., Service]

ITEM = {
    "type": "Feature", "stac_version": "1.0.0", "id": "x", "properties": {"datetime": "2022-06-15T10:00:00Z"}, "links": [],
    "geometry": {"type": "Polygon", "coordinates": [[[10, 45], [11, 45], [11, 46], [10, 46], [10, 45]]]},
    "bbox": [10, 45, 11, 46],
}  # fmt: skip


@pytest.fixture(params=["here", "service"])
def way(request: pytest.FixtureRequest, serve: Serve, tmp_path: Path) -> tuple[str, object]:
    """The options for a state folder that the command opens, or for a running service."""
    return ("--home", tmp_path / "home") if request.param == "here" else ("--url", serve().url)


def labels(dyad: Dyad, image: Path, way: tuple[str, object]) -> dict[str, list[str]]:
    found = dyad("search", "c", image, "--limit", 50, "--json", *way).json["features"]
    return {each["properties"]["source"]: each["properties"]["labels"] for each in found}


def test_the_same_labels_by_every_way(dyad: Dyad, way: tuple[str, object], tmp_path: Path) -> None:
    for name in ("harbor/a.png", "harbor/b.png", "beach/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(striped(len(name)))
    archive = images.zipped(tmp_path / "z.zip", {"wood/d.png": striped(2), "e.png": striped(3)})
    paths = (tmp_path / "harbor" / "a.png", tmp_path / "harbor" / "b.png", tmp_path / "beach", archive)
    ran = dyad("index", "c", *paths, "--labels-from-folders", "--json", *way)
    assert ran.code == 0, ran.err
    expected = {
        "a.png": ["harbor"],
        "b.png": ["harbor"],
        "beach/c.png": ["beach"],
        "z.zip/wood/d.png": ["wood"],
        "z.zip/e.png": [],
    }
    assert labels(dyad, tmp_path / "beach" / "c.png", way) == expected
    assert [note["file_name"] for note in ran.json["notes"]] == ["z.zip/e.png"]
    assert "has no label" in ran.err


def test_single_bands_are_one_scene(dyad: Dyad, way: tuple[str, object], tmp_path: Path) -> None:
    assets: dict[str, Any] = {}
    for seed, (key, name) in enumerate({"red": "B04", "green": "B03", "blue": "B02", "scl": "SCL"}.items()):
        images.geotiff(tmp_path / f"{name}.tif", images.textured(1, 64, 64, "uint16", seed))
        assets[key] = {"href": f"./{name}.tif", "type": "image/tiff; application=geotiff", "roles": ["data"]}
    (tmp_path / "item.json").write_text(json.dumps({**ITEM, "assets": assets}))
    ran = dyad("index", "c", tmp_path / "item.json", "--tile-size", 64, "--json", *way)
    assert (ran.code, ran.json["indexed"], ran.json["rejected"]) == (0, 1, []), ran.err
    assert list(labels(dyad, tmp_path / "B04.tif", way)) == ["item.json#bands"]


def test_exit_codes_and_reasons_of_rejected_files(dyad: Dyad, way: tuple[str, object], tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "bad.png").write_text("no image")
    ran = dyad("index", "c", folder, *way)
    assert ran.code == 1
    assert ran.err_lines[0].startswith("rejected in/bad.png: ")
    assert ran.err_lines[-1] == "dyad: nothing was indexed: every file was rejected"
    (folder / "good.png").write_bytes(striped(0))
    ran = dyad("index", "c", folder, *way)
    assert (ran.code, ran.err_lines[-1]) == (0, "1 of 2 files were rejected")
