"""Cuts a file into tiles, and decodes single images for queries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.domain.tiles import BandRange, Window
from app.errors import DyadError, InvalidInput, UnreadableImage
from app.imagery.raster import bands, previews, scaling, windows
from app.imagery.raster.decode import Picture, decode
from app.imagery.raster.geotiff import open_raster
from app.imagery.raster.resize import to_square
from app.imagery.sources.file_kinds import IMAGE_FORMATS, FileKind, sniff
from app.imagery.tiling.cut_spec import CutSpec, CutTile
from app.imagery.tiling.scene import Scene, stored_pixels

__all__ = ["CutSpec", "CutTile", "count_windows", "cut", "read_query", "read_tile"]
SUFFIXES = {b"\xff\xd8": ".jpg", b"\x89P": ".png", b"RI": ".webp"}


def cut(
    path: Path,
    name: str,
    spec: CutSpec,
    has_place: bool = False,
    skip: Callable[[Window | None], bool] = lambda _: False,
    note: Callable[[str], None] = lambda _: None,
) -> Iterator[CutTile | None]:
    """Tiles of one file in row-major order; None for each window that is skipped as mostly nodata.

    A georeferenced TIFF is a scene and cut into windows; any other image is one tile. name: of the file, which may contain the
    date. has_place: the geometry of the whole file is given elsewhere, so that a scene is one tile, too.
    skip: called before each window is read (None for a file that is one tile); if it returns True, nothing is yielded.

    Raises:
        UnreadableImage, TooLarge, InvalidInput, ModelMismatch: with the reason; a scene that is damaged in the middle
            raises after its first tiles.
    """
    kind = _sniff(path)
    if kind is FileKind.IMAGE:
        if not skip(None):
            yield _image_tile(path, spec)
        return
    with open_raster(path, spec.max_pixels) as raster:
        scene = Scene(raster, name, spec)
        if not has_place and raster.is_placed:
            yield from scene.tiles(path, skip)
        elif not skip(None):
            yield scene.whole(path)


def count_windows(path: Path, spec: CutSpec) -> int:
    """The largest number of tiles of a file, by its header; 0 if it cannot be read."""
    try:
        if _sniff(path) is FileKind.IMAGE:
            return 1
        with open_raster(path, spec.max_pixels) as raster:
            return windows.count(raster.width, raster.height, spec.tile_size, spec.stride) if raster.is_placed else 1
    except DyadError:
        return 0


def read_query(data: bytes | Path, spec: CutSpec, name: str = "image") -> NDArray[np.uint8]:
    """Decode a query image of any format as one (S, S, B) uint8 tile; a GeoTIFF is not cut.

    Raises:
        UnreadableImage, TooLarge, InvalidInput, ModelMismatch: as `cut`.
    """
    if _sniff(data) is FileKind.IMAGE:
        return _picture_pixels(decode(data, spec.max_pixels, spec.input_size), spec)[0]
    with open_raster(data, spec.max_pixels) as raster:
        return Scene(raster, name, spec).whole_pixels()


def read_tile(
    data: bytes | Path, spec: CutSpec, stretch: tuple[BandRange, ...] | None, *, window: Window | None = None
) -> NDArray[np.uint8]:
    """The stored image of a tile as (S, S, B) uint8 model input, equal to that of `cut` with the same `spec`.

    stretch, window: of the tile's record. Without a stretch, raw values that need one are scaled by the tile's own percentiles.

    Raises:
        UnreadableImage, TooLarge, InvalidInput, ModelMismatch: as `cut`.
    """
    known = None if stretch is None else scaling.Stretch.of(stretch)
    if _sniff(data) is FileKind.IMAGE:
        return _picture_pixels(decode(data, spec.max_pixels, spec.input_size), spec, known)[0]
    with open_raster(data, spec.max_pixels) as raster:
        return stored_pixels(raster, spec, known, is_window=window is not None)


def _sniff(source: Path | bytes) -> FileKind:
    """The kind of an image; raises `UnreadableImage` for any other file."""
    kind = sniff(source)
    if kind in (FileKind.IMAGE, FileKind.RASTER):
        return kind
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    if size == 0:
        raise UnreadableImage("the file is empty (0 bytes); send it again")
    raise UnreadableImage(f"the file is not an image in a supported format ({IMAGE_FORMATS})")


def _image_tile(path: Path, spec: CutSpec) -> CutTile:
    picture = decode(path, spec.max_pixels, spec.input_size)
    with path.open("rb") as file:
        suffix = SUFFIXES[file.read(2)]
    preview = None if picture.is_browser_ready else previews.of_picture(picture)[0]
    pixels, stretch = _picture_pixels(picture, spec)
    return CutTile(None, pixels, path, suffix, preview, stretch=stretch.ranges)


def _picture_pixels(
    picture: Picture, spec: CutSpec, stretch: scaling.Stretch | None = None
) -> tuple[NDArray[np.uint8], scaling.Stretch]:
    """(S, S, B) uint8 model input of an image, and its stretch: the given one, or computed from the image."""
    positions = bands.choose(picture.names, spec.bands, spec.band_count)
    values = picture.values
    if positions != list(range(values.shape[2])):
        values = values[:, :, positions]
    is_final = picture.alpha is None and values.dtype == np.uint8 and spec.scaling.method in ("auto", "none")
    if is_final:
        return to_square(values, spec.input_size), scaling.Stretch(None)
    planes = np.moveaxis(values, -1, 0)
    opaque = np.ones(values.shape[:2], np.bool_) if picture.alpha is None else picture.alpha > 0
    if not opaque.any():
        raise InvalidInput("the image is completely transparent; send an image with opaque pixels")
    valid = np.broadcast_to(opaque, planes.shape)
    stretch = stretch or scaling.fit(spec.scaling, planes, valid)
    return to_square(np.moveaxis(stretch.apply(planes, valid), 0, -1), spec.input_size), stretch
