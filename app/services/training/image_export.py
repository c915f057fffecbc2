"""Exports a collection as folders of image files, as its model sees them, for programs that train whole networks."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from app.atomic_files import telling_full_disk
from app.domain.held_out import is_held_out
from app.domain.queries.search import TileFilter
from app.domain.tiles import Tile
from app.errors import InvalidInput
from app.imagery.pictures.tile_files import tile_suffix, write_tile
from app.ports import JobContext, VectorStore
from app.services.training.classes import ENOUGH, name_some
from app.services.training.stored_pixels import StoredPixels

LABELLED, UNLABELLED = "labelled", "unlabelled"
_PAGE = 64
_PLAIN = re.compile(r"\w[\w .()+-]{0,63}")


class ImageExport:
    """Writes the tiles of an index that are not held out.

    classes: labels that become class folders; a tile with several is written to the first of its labels. pixels: reads tiles.
    """

    def __init__(self, vectors: VectorStore, index: str, pixels: StoredPixels, classes: tuple[str, ...]) -> None:
        self._vectors = vectors
        self._index = index
        self._pixels = pixels
        self._folders = {label: _folder_name(number, label) for number, label in enumerate(classes)}

    def write(self, folder: Path, max_unlabelled: int, context: JobContext) -> dict[str, int]:
        """Replace `labelled/CLASS/ID.png` and `unlabelled/ID.png`; return how many `tiles` and how many `labelled` ones.

        max_unlabelled: maximum number of unlabelled tiles; the first ids are used, which are a random sample.

        Raises:
            Cancelled, Interrupted: the job has to stop. OutOfSpace: the disk is full. InvalidInput: too few images can be read.
        """
        for name in (LABELLED, UNLABELLED):
            shutil.rmtree(folder / name, ignore_errors=True)
            (folder / name).mkdir()
        total = max(1, self._vectors.stats(self._index).size)
        counts = {"tiles": 0, "labelled": 0}
        seen = 0
        with telling_full_disk(folder):
            for page in self._pages():
                context.check()
                for tile, pixels in self._pixels.read_all(self._wanted(page, max_unlabelled)):
                    label = self._class(tile)
                    place = folder / UNLABELLED if label is None else folder / LABELLED / self._folders[label]
                    place.mkdir(exist_ok=True)
                    write_tile(place / f"{tile.id}{tile_suffix(pixels)}", pixels)
                    counts["tiles"] += 1
                    counts["labelled"] += label is not None
                    max_unlabelled -= label is None
                seen += len(page)
                context.progress(100 * seen / total, f"writing images: {counts['tiles']}")
        self._check(folder)
        return counts

    def _pages(self) -> Iterator[list[Tile]]:
        after: str | None = None
        while True:
            page = self._vectors.scroll(self._index, limit=_PAGE, filter=TileFilter(), after=after)
            yield page.tiles
            after = page.after
            if after is None:
                return

    def _wanted(self, tiles: list[Tile], max_unlabelled: int) -> list[Tile]:
        taught = [tile for tile in tiles if not is_held_out(tile.id)]
        unlabelled = [tile for tile in taught if self._class(tile) is None]
        left_out = {tile.id for tile in unlabelled[max_unlabelled:]}
        return [tile for tile in taught if tile.id not in left_out]

    def _class(self, tile: Tile) -> str | None:
        return next((label for label in tile.labels if label in self._folders), None)

    def _check(self, folder: Path) -> None:
        """Drop classes with too few images, because a tile counts only for its first class."""
        counts = {label: _count(folder / LABELLED / name) for label, name in self._folders.items()}
        for label in (label for label, count in counts.items() if count < ENOUGH):
            shutil.rmtree(folder / LABELLED / self._folders.pop(label), ignore_errors=True)
        if len(self._folders) < 2:
            few = name_some(tuple(sorted(counts.keys() - self._folders.keys())))
            raise InvalidInput(f"two classes need {ENOUGH} or more images with the class as first label; too few have {few}")


def _folder_name(number: int, label: str) -> str:
    return label if _PLAIN.fullmatch(label) else f"class-{number:05d}"


def _count(folder: Path) -> int:
    return sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0
