from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from app.container import Container
from app.domain.held_out import is_held_out
from app.domain.tiles import Tile
from app.errors import InvalidInput
from app.services.training.image_export import ImageExport
from app.services.training.stored_pixels import StoredPixels
from app.services.training.subject import Subjects
from tests.support.context import Context


def export(container: Container, classes: tuple[str, ...]) -> ImageExport:
    subject = Subjects(container.collections, container.models, container.vectors, container.blobs, 10_000_000).of("shapes")
    pixels = StoredPixels(container.blobs, replace(subject.spec, input_size=48))
    return ImageExport(container.vectors, subject.live.index, pixels, classes)


def names(folder: Path) -> set[str]:
    return {path.stem for path in folder.iterdir() if path.is_file()}


def test_tiles_lie_in_the_folder_of_their_first_class(container: Container, tiles: list[Tile], tmp_path: Path) -> None:
    odd = "../odd: ü"
    first, second = [tile for tile in tiles if tile.labels == ("slopes",) and not is_held_out(tile.id)][:2]
    for tile in (first, second):
        container.items.patch("shapes", tile.id, labels=("rare", odd, "slopes"))
    counts = export(container, ("slopes", "stripes", odd)).write(tmp_path, 2, Context())
    taught = [tile for tile in tiles if not is_held_out(tile.id)]
    unlabelled = [tile.id for tile in taught if not {"slopes", "stripes"} & set(tile.labels)]
    assert names(tmp_path / "labelled" / "class-00002") == {first.id, second.id}
    assert names(tmp_path / "labelled" / "stripes") == {tile.id for tile in taught if tile.labels == ("stripes",)}
    assert names(tmp_path / "unlabelled") == set(unlabelled[:2])
    assert counts["tiles"] - counts["labelled"] == 2
    with Image.open(tmp_path / "labelled" / "class-00002" / f"{first.id}.png") as image:
        assert image.size == (48, 48)


def test_classes_that_are_nowhere_first_are_told(container: Container, tiles: list[Tile], tmp_path: Path) -> None:
    for tile in tiles:
        if "slopes" in tile.labels:
            container.items.patch("shapes", tile.id, labels=("stripes", "slopes"))
    with pytest.raises(InvalidInput, match="too few have slopes"):
        export(container, ("slopes", "stripes")).write(tmp_path, 0, Context())
