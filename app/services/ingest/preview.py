"""What a file contains and how it would be cut into tiles, before a collection for it exists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from app.domain.places.geometry import GeoJSON
from app.domain.tiles import BandRange, Window
from app.errors import DyadError, UnreadableImage
from app.imagery.pictures import previews
from app.imagery.raster import windows
from app.imagery.raster.geotiff import Raster, open_raster
from app.imagery.raster.world_files import find_world_file
from app.imagery.sources.archives import count_members, extract
from app.imagery.sources.dates import acquired
from app.imagery.sources.file_kinds import FileKind, sniff
from app.imagery.sources.platforms import platform
from app.imagery.tiling.cut_spec import CutSpec, CutTile
from app.imagery.tiling.scene import find_positions, whole_place
from app.imagery.tiling.sniffing import sniff_image
from app.imagery.tiling.tiler import cut

PREVIEWS = 3
TRIED = 12
"""Tiles of a scene that are read to find `PREVIEWS` with valid pixels, and members of a zip."""
SMALL_SCENE, SMALL_TILE = 640, 128
"""A scene with a shorter side than this, in pixels, gets tiles of this size."""


@dataclass(frozen=True, slots=True)
class PreviewTile:
    """A tile as the model sees it, in three bands at most. picture: JPEG. window: None if the whole file is the tile."""

    picture: bytes
    name: str
    window: Window | None


@dataclass(frozen=True, slots=True)
class BandInfo:
    """A band of a file. number: from 1. name: as in the file. common: the common name, such as `nir`. used: by the model."""

    number: int
    name: str | None
    common: str | None
    used: bool


@dataclass(frozen=True, slots=True)
class FilePreview:
    """Facts about a file. kind: `scene` (cut into tiles), `image` (one tile) or `archive` (a zip).

    files: number of members of a zip, else 1. tiles: largest number of tiles; None for a zip. tile_size: of these previews.
    ranges: values of each used band that become 0 and 255; None if values are not scaled. notes: what is left out or assumed.
    """

    kind: str
    files: int
    tiles: int | None
    tile_size: int
    width: int | None = None
    height: int | None = None
    dtype: str | None = None
    crs: str | None = None
    gsd: float | None = None
    geometry: GeoJSON | None = None
    acquired: datetime | None = None
    bands: tuple[BandInfo, ...] = ()
    ranges: tuple[BandRange, ...] | None = None
    notes: tuple[str, ...] = ()
    previews: tuple[PreviewTile, ...] = ()


def preview_file(path: Path, name: str, spec: CutSpec, folder: Path, max_bytes: int, *, propose_size: bool) -> FilePreview:
    """Read the header of a file and up to `PREVIEWS` tiles of it.

    folder: for unpacked members. max_bytes: limit of an unpacked zip. propose_size: choose the tile size by the scene's size.

    Raises:
        UnreadableImage, TooLarge, ModelMismatch, InvalidInput: as in ingest, with the reason.
    """
    if sniff(path) is FileKind.ZIP:
        return _archive(path, name, spec, folder, max_bytes)
    if sniff_image(path) is FileKind.IMAGE:
        notes: list[str] = []
        tiles = tuple(_shown(piece, name) for piece in cut(path, name, spec, note=notes.append) if piece is not None)
        return FilePreview("image", 1, 1, spec.tile_size, notes=tuple(notes), previews=tiles)
    with open_raster(path, spec.max_pixels) as raster:
        if not raster.place.is_known and (placement := find_world_file(path, raster.width, raster.height)[0]) is not None:
            raster.use_world_file(placement)
        spec = _sized(raster, spec) if propose_size else spec
        found = _facts(raster, name, spec)
    return _with_tiles(found, path, name, spec)


def _sized(raster: Raster, spec: CutSpec) -> CutSpec:
    if min(raster.width, raster.height) >= SMALL_SCENE or not raster.place.is_known:
        return spec
    return replace(spec, tile_size=SMALL_TILE, stride=SMALL_TILE)


def _facts(raster: Raster, name: str, spec: CutSpec) -> FilePreview:
    common = raster.common(platform(raster.tags, name))
    used = find_positions(raster, spec, common)
    geometry, gsd = whole_place(raster)
    is_scene = raster.place.is_known
    return FilePreview(
        kind="scene" if is_scene else "image",
        files=1,
        tiles=windows.count(raster.width, raster.height, spec.tile_size, spec.stride) if is_scene else 1,
        tile_size=spec.tile_size,
        width=raster.width,
        height=raster.height,
        dtype=str(raster.dtype),
        crs=raster.place.crs,
        gsd=gsd,
        geometry=geometry,
        acquired=acquired(raster.tags, name) if is_scene else None,
        bands=tuple(BandInfo(at + 1, raster.names[at], common[at], at in used) for at in range(len(raster.names))),
    )


def _with_tiles(found: FilePreview, path: Path, name: str, spec: CutSpec) -> FilePreview:
    """The same with notes, ranges and previews; tiles spread over the scene are tried."""
    wanted = None
    if found.kind == "scene" and found.width and found.height:
        number = windows.count(found.width, found.height, spec.tile_size, spec.stride)
        chosen = set(np.linspace(0, number - 1, min(TRIED, number) + 2).round().astype(int)[1:-1].tolist()) or {0}
        grid = enumerate(windows.grid(found.width, found.height, spec.tile_size, spec.stride))
        wanted = {window for at, window in grid if at in chosen}
    notes: list[str] = []
    skip = (lambda window: window not in wanted) if wanted is not None else (lambda _: False)
    pieces = [piece for piece in cut(path, name, spec, skip=skip, note=notes.append) if piece is not None]
    shown = [pieces[at] for at in sorted(set(np.linspace(0, len(pieces) - 1, min(PREVIEWS, len(pieces))).round().astype(int)))]
    if not shown:
        notes.append("the tiles that were tried are mostly nodata, so there is no preview")
    return replace(
        found,
        notes=tuple(notes),
        ranges=shown[0].stretch if shown else None,
        previews=tuple(_shown(piece, name) for piece in shown),
    )


def _archive(path: Path, name: str, spec: CutSpec, folder: Path, max_bytes: int) -> FilePreview:
    """The preview of the first members of a zip that can be read."""
    number = count_members(path)
    shown: list[PreviewTile] = []
    first: FilePreview | None = None
    reason = "it contains no file"
    for source, staged in _members(path, name, folder, max_bytes):
        try:
            if not isinstance(staged, Path):
                raise staged
            found = preview_file(staged, source, spec, folder, max_bytes, propose_size=False)
        except DyadError as error:
            reason = f"{source}: {error}"
            continue
        first = first or found
        shown += found.previews[:1] if number >= PREVIEWS else found.previews
        if len(shown) >= PREVIEWS:
            break
    if first is None:
        raise UnreadableImage(f"no image of the zip can be read; {reason}")
    return replace(first, kind="archive", files=number, tiles=None, previews=tuple(shown[:PREVIEWS]))


def _members(path: Path, name: str, folder: Path, max_bytes: int) -> Iterator[tuple[str, Path | DyadError]]:
    for source, staged in extract(path, name, folder, max_bytes, members=(0, TRIED)):
        try:
            if not (isinstance(staged, Path) and sniff(staged) is FileKind.ZIP):
                yield source, staged
        finally:
            if isinstance(staged, Path):
                staged.unlink(missing_ok=True)


def _shown(piece: CutTile, name: str) -> PreviewTile:
    bands = piece.pixels.shape[2]
    eye = piece.pixels if bands in (1, 3) else piece.pixels[:, :, : 3 if bands > 3 else 1]
    return PreviewTile(previews.render(np.ascontiguousarray(eye), None)[0], name, piece.window)
