"""Cuts a file into tiles, and decodes single images for queries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.domain.places.geometry import GeoJSON
from app.domain.tiles import BandRange, Window
from app.errors import DyadError, InvalidInput
from app.imagery.footprints import Georeference
from app.imagery.pictures import previews
from app.imagery.pictures.decode import Picture, decode
from app.imagery.raster import windows
from app.imagery.raster.geotiff import open_raster
from app.imagery.raster.world_files import find_world_file
from app.imagery.sources.file_kinds import FileKind
from app.imagery.tiling.cut_spec import CutSpec, CutTile
from app.imagery.tiling.pictures import picture_pixels
from app.imagery.tiling.query import prepare_query
from app.imagery.tiling.scene import Scene, stored_pixels
from app.imagery.tiling.sniffing import sniff_image
from app.imagery.values import scaling

__all__ = ["CutSpec", "CutTile", "count_windows", "cut", "prepare_query", "read_query", "read_tile"]
SUFFIXES = {b"\xff\xd8": ".jpg", b"\x89P": ".png", b"RI": ".webp"}


def cut(
    path: Path,
    name: str,
    spec: CutSpec,
    has_place: bool = False,
    skip: Callable[[Window | None], bool] = lambda _: False,
    note: Callable[[str], None] = lambda _: None,
    threads: int = 1,
) -> Iterator[CutTile | None]:
    """Tiles of one file in row-major order; None for each window that is skipped as mostly nodata.

    A georeferenced raster is a scene and cut into windows; any other image is one tile. A world file beside `path` is used.
    name: of the file, which may contain the date. has_place: the geometry of the whole file is given elsewhere, so that a scene
    is one tile, too. skip: called before each window is read (None for a file that is one tile); if it returns True, nothing is
    yielded. note: called with each remark for the user, before the first tile. threads: see `Scene.tiles`.

    Raises:
        UnreadableImage, TooLarge, InvalidInput, ModelMismatch: with the reason; a scene that is damaged in the middle
            raises after its first tiles.
    """
    kind = sniff_image(path)
    if kind is FileKind.IMAGE:
        if not skip(None):
            yield _image_tile(path, spec, note)
        return
    with open_raster(path, spec.max_pixels) as raster:
        if not (has_place or raster.place.is_known):
            placement, remark = find_world_file(path, raster.width, raster.height)
            if placement is not None:
                raster.use_world_file(placement)
            _report(note, remark)
        is_cut = not has_place and raster.place.is_known
        scene = Scene(raster, name, spec, is_cut=is_cut)
        _report(note, *scene.notes)
        if is_cut:
            yield from scene.tiles(path, skip, threads)
        elif not skip(None):
            yield scene.whole(path)


def count_windows(path: Path, spec: CutSpec) -> int:
    """The largest number of tiles of a file, by its header; 0 if it cannot be read."""
    try:
        if sniff_image(path) is FileKind.IMAGE:
            return 1
        with open_raster(path, spec.max_pixels) as raster:
            return windows.count(raster.width, raster.height, spec.tile_size, spec.stride) if raster.place.is_known else 1
    except DyadError:
        return 0


def read_query(data: bytes | Path, spec: CutSpec, name: str = "image") -> NDArray[np.uint8]:
    """The pixels of `prepare_query` without a collection: (S, S, B) uint8.

    Raises:
        UnreadableImage, TooLarge, InvalidInput, ModelMismatch: as `cut`.
    """
    return prepare_query(data, spec, name=name).pixels


def read_tile(
    data: bytes | Path, spec: CutSpec, stretch: tuple[BandRange, ...] | None, *, window: Window | None = None
) -> NDArray[np.uint8]:
    """The stored image of a tile as (S, S, B) uint8 model input, equal to that of `cut` with the same `spec`.

    stretch, window: of the tile's record. Without a stretch, raw values that need one are scaled by the tile's own percentiles.

    Raises:
        UnreadableImage, TooLarge, InvalidInput, ModelMismatch: as `cut`.
    """
    known = None if stretch is None else scaling.Stretch.of(stretch)
    if sniff_image(data) is FileKind.IMAGE:
        return picture_pixels(decode(data, spec.max_pixels, spec.input_size), spec, known)[0]
    with open_raster(data, spec.max_pixels) as raster:
        return stored_pixels(raster, spec, known, is_window=window is not None)


def _image_tile(path: Path, spec: CutSpec, note: Callable[[str], None]) -> CutTile:
    picture = decode(path, spec.max_pixels, spec.input_size)
    with path.open("rb") as file:
        suffix = SUFFIXES[file.read(2)]
    preview = None if picture.is_browser_ready else previews.of_picture(picture)[0]
    pixels, stretch = picture_pixels(picture, spec)
    geometry, gsd = _place_of_image(path, picture, note)
    return CutTile(None, pixels, path, suffix, preview, geometry, gsd=gsd, stretch=stretch.ranges)


def _place_of_image(path: Path, picture: Picture, note: Callable[[str], None]) -> tuple[GeoJSON | None, float | None]:
    """Footprint and ground sample distance of an image by its world file."""
    width, height = picture.size
    placement, remark = find_world_file(path, width, height)
    _report(note, remark)
    if placement is None:
        return None, None
    try:
        place = Georeference.of_affine(placement.transform[:6], placement.crs.to_wkt())
    except InvalidInput as error:
        _report(note, f"indexed without a place: {error}")
        return None, None
    everything = Window(0, 0, width, height)
    return place.footprint(everything), place.gsd(everything)


def _report(note: Callable[[str], None], *remarks: str | None) -> None:
    for remark in remarks:
        if remark:
            note(remark)
