"""Tiles of one raster: windows if it is georeferenced, else the whole file. Bands and scaling are determined once a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from app.domain.places.geometry import GeoJSON
from app.domain.tiles import Window
from app.errors import DyadError, InvalidInput, TooLarge, UnreadableImage
from app.imagery.pictures import previews
from app.imagery.pictures.decode import check_size
from app.imagery.pictures.resize import to_square
from app.imagery.raster import windows
from app.imagery.raster.crops import Block
from app.imagery.raster.geotiff import Raster
from app.imagery.raster.limits import BYTES_PER_PIXEL, check_windows_cheap
from app.imagery.sources.dates import acquired
from app.imagery.sources.file_kinds import is_jpeg2000
from app.imagery.sources.platforms import platform
from app.imagery.tiling.cut_spec import CutSpec, CutTile
from app.imagery.tiling.in_order import run_in_order
from app.imagery.tiling.tile_tags import is_tile, tile_tags
from app.imagery.values import bands, scaling
from app.imagery.values.fill import describe_fill, find_fill
from app.imagery.values.statistics import sample_values

MAX_WINDOWS = 4_000_000
SUFFIXES = (".tif", ".jp2")
AHEAD_BYTES = 64 << 20
"""Of windows that are read and wait to be finished."""


class Scene:
    """An open raster with the parameters of cutting. notes: what is left out or assumed, for the user."""

    def __init__(self, raster: Raster, name: str, spec: CutSpec, *, is_cut: bool = True) -> None:
        """name: of the file, for its date and platform. is_cut: whether `tiles` is called, not `whole`.

        Raises:
            ModelMismatch: the bands do not fit the model. InvalidInput: a band has no valid value. TooLarge: its blocks,
                or the number or size of its windows.
        """
        self._raster, self._name, self._spec = raster, name, spec
        self._platform = platform(raster.tags, name)
        common = raster.common(self._platform)
        self._positions = find_positions(raster, spec, common)
        self._eye = bands.choose_for_eye(common, self._positions)
        if is_cut:
            self._check_windows()
        fill = mask_fill(raster, self._positions)
        for_model, for_eye = sample_values(raster, self._positions, self._eye)
        self._stretch = scaling.fit(spec.scaling, *for_model)
        self._eye_stretch = scaling.fit_for_eye(*for_eye)
        found = (raster.page_note, fill, bands.misfit(common, self._positions, spec.band_names), _about_rpc(raster))
        self.notes = tuple(note for note in found if note)

    def tiles(self, path: Path, skip: Callable[[Window], bool], threads: int = 1) -> Iterator[CutTile | None]:
        """Yield tiles in row-major order, None for each window that is mostly nodata. path: of the file. skip: as in `cut`.

        One thread reads the file; with `threads` above 1, others scale and compress the tiles. Then `skip` is called for
        windows whose predecessors have not been yielded.

        Raises:
            InvalidInput: no CRS. TooLarge: too many or too large windows. UnreadableImage: damaged.
        """
        ahead = min(2 * threads, self._number - 1, AHEAD_BYTES // self._window_bytes)
        return run_in_order(self._calls(path, skip), threads, ahead)

    def _calls(self, path: Path, skip: Callable[[Window], bool]) -> Iterator[Callable[[], CutTile | None]]:
        """Read the windows; each call returns a tile. Damage becomes a call, so that the tiles before it are yielded first."""
        raster, spec = self._raster, self._spec
        place = raster.place.georeference()
        properties, when = self._properties, acquired(raster.tags, self._name)
        crops = raster.crops(tile_tags(spec.scaling, self._positions, self._stretch.ranges, self._platform))
        is_complete = raster.is_simple and self._platform == platform(raster.tags, "")
        for window in self._windows():
            if skip(window):
                continue
            try:
                block = raster.read(window)
            except UnreadableImage as error:
                yield partial(_fail, error)
                return
            values, valid = raster.bands(block, self._positions)
            share = float(valid.any(axis=0).mean())
            if share < spec.min_valid or share == 0:
                yield _nothing
                continue
            is_whole = (window.width, window.height) == (raster.width, raster.height)
            facts = {
                "geometry": place.footprint(window), "datetime": when, "gsd": place.gsd(window),
                "properties": {**properties, "valid_share": round(share, 4)}, "grid": raster.place.grid(window),
            }  # fmt: skip
            write = partial(crops.write, block, raster.place.profile(window))
            image = path if is_whole and is_complete else write
            yield partial(self._finish, window, block, values, valid, image, facts)

    def _finish(
        self,
        window: Window,
        block: Block,
        values: NDArray[Any],
        valid: NDArray[np.bool_],
        image: Path | Callable[[], bytes],
        facts: Mapping[str, Any],
    ) -> CutTile:
        """A tile of what was read. Does not use the open raster, because GDAL allows one thread at a time."""
        stored = image if isinstance(image, Path) else image()
        pixels = self._pixels(values, valid)
        return CutTile(window, pixels, stored, ".tif", self._preview(block), stretch=self._stretch.ranges, **facts)

    def whole(self, path: Path) -> CutTile:
        """The file as one tile, with its own georeference if that is usable.

        Raises:
            TooLarge: more pixels than DYAD_MAX_PIXELS. UnreadableImage: damaged.
        """
        raster = self._raster
        block = self._read_whole()
        geometry, gsd = self.whole_place()
        when = acquired(raster.tags, self._name) if raster.place.is_known else None
        pixels = self._pixels(*raster.bands(block, self._positions))
        return CutTile(
            None,
            pixels,
            path,
            SUFFIXES[is_jpeg2000(path)],
            self._preview(block),
            geometry,
            when,
            gsd,
            self._properties,
            self._stretch.ranges,
            raster.place.grid(Window(0, 0, raster.width, raster.height)),
        )

    def whole_place(self) -> tuple[GeoJSON | None, float | None]:
        """Footprint and ground sample distance of the whole file, None if it has no usable georeference."""
        return whole_place(self._raster)

    def _read_whole(self) -> Block:
        return read_whole(self._raster, [*self._positions, *self._eye], self._spec)

    def _pixels(self, values: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
        return to_model(values, valid, self._stretch, self._spec)

    def _preview(self, block: Block) -> bytes:
        values, valid = self._raster.bands(block, self._eye)
        shown = np.ascontiguousarray(np.moveaxis(self._eye_stretch.apply(values, valid), 0, -1))
        return previews.render(shown, np.where(valid.any(axis=0), np.uint8(255), np.uint8(0)))[0]

    @cached_property
    def _properties(self) -> dict[str, Any]:
        facts = {"crs": self._raster.place.crs, "platform": self._platform}
        properties: dict[str, Any] = {key: value for key, value in facts.items() if value}
        if any(self._raster.names):
            properties["band_names"] = [name or str(number) for number, name in enumerate(self._raster.names, 1)]
        return properties

    def _windows(self) -> Iterator[Window]:
        return windows.grid(self._raster.width, self._raster.height, self._spec.tile_size, self._spec.stride)

    @property
    def _number(self) -> int:
        return windows.count(self._raster.width, self._raster.height, self._spec.tile_size, self._spec.stride)

    @property
    def _window_bytes(self) -> int:
        return self._raster.window_bytes(next(self._windows()))

    def _check_windows(self) -> None:
        raster, limit = self._raster, self._spec.max_pixels
        if self._number > MAX_WINDOWS:
            raise TooLarge(
                f"the scene of {raster.width} x {raster.height} pixels would give {self._number} tiles; the limit is"
                f" {MAX_WINDOWS}: use a larger stride, or split the scene"
            )
        if self._number > 1:
            check_windows_cheap(raster.block_bytes)
        if self._window_bytes > BYTES_PER_PIXEL * limit:
            raise TooLarge(
                f"one tile with all its bands takes {self._window_bytes >> 20} MiB, more than DYAD_MAX_PIXELS"
                f" ({limit}) allows; use a smaller tile_size or fewer bands"
            )


def _fail(error: DyadError) -> NoReturn:
    raise error


def _nothing() -> None:
    """The result for a window that is mostly nodata."""


def whole_place(raster: Raster) -> tuple[GeoJSON | None, float | None]:
    """Footprint and ground sample distance of a whole raster, None if it has no usable georeference."""
    everything = Window(0, 0, raster.width, raster.height)
    if not raster.place.is_known:
        return None, None
    try:
        place = raster.place.georeference()
    except InvalidInput:  # the caller has the geometry
        return None, None
    return place.footprint(everything), place.gsd(everything)


def stored_pixels(raster: Raster, spec: CutSpec, stretch: scaling.Stretch | None, *, is_window: bool) -> NDArray[np.uint8]:
    """(S, S, B) uint8 model input of the open image of a tile, equal to what `Scene` returns for the original file.

    stretch: of the file; None: from the tile's own values. is_window: it was cut from a scene, so it is read at full size.

    Raises:
        ModelMismatch: the bands do not fit the model. InvalidInput: a band has no valid value. TooLarge, UnreadableImage.
    """
    positions = find_positions(raster, spec, raster.common(platform(raster.tags, "")))
    if not is_tile(raster.tags):
        mask_fill(raster, positions)
    stretch = stretch or scaling.fixed(spec.scaling, raster.dtype, len(positions))
    if stretch is None:
        stretch = scaling.fit(spec.scaling, *sample_values(raster, positions, positions)[0])
    block = raster.read(positions=positions) if is_window else read_whole(raster, positions, spec)
    return to_model(*raster.bands(block, positions), stretch, spec)


def mask_fill(raster: Raster, positions: Sequence[int]) -> str | None:
    """Treat the fill value of a raster without nodata as nodata; returns a note about it."""
    found = find_fill(raster, positions)
    if found is None:
        return None
    raster.nodata = found[0]
    return describe_fill(*found)


def _about_rpc(raster: Raster) -> str | None:
    if not raster.place.has_rpc:
        return None
    return (
        "indexed without a place: the only georeference is RPC coefficients; orthorectify the file and index the result:"
        " gdalwarp -rpc -t_srs EPSG:4326 in.tif out.tif (with -to RPC_DEM=dem.tif where the terrain is not flat)"
    )


def read_whole(raster: Raster, positions: Sequence[int], spec: CutSpec) -> Block:
    """Read the whole file, decimated to about twice the size that model and preview need."""
    check_size(raster.width, raster.height, spec.max_pixels)
    side = 2 * max(spec.input_size, previews.SIZE)
    factor = max(1, min(raster.width, raster.height) // side)
    shape = (-(-raster.height // factor), -(-raster.width // factor))
    return raster.read(shape=shape if factor > 1 else None, positions=positions, average=True)


def to_model(values: NDArray[Any], valid: NDArray[np.bool_], stretch: scaling.Stretch, spec: CutSpec) -> NDArray[np.uint8]:
    """(S, S, B) uint8 model input of (B, H, W) raw values."""
    return to_square(np.moveaxis(stretch.apply(values, valid), 0, -1), spec.input_size)


def find_positions(raster: Raster, spec: CutSpec, common: Sequence[str | None]) -> list[int]:
    """Positions of the bands for the model. common: common names of the bands.

    An alpha band is included only if it is selected, or if the model takes as many bands as the file has with it: files with a
    fourth, infrared band often declare it as alpha.

    Raises:
        ModelMismatch: the bands do not fit the model.
    """
    colours = [position for position in range(len(raster.names)) if position != raster.alpha]
    if spec.bands is not None or spec.band_count > len(colours) > 1:
        return bands.choose(raster.names, spec.bands, spec.band_count, common=common, model=spec.band_names)
    names, known = [raster.names[c] for c in colours], [common[c] for c in colours]
    chosen = bands.choose(names, None, spec.band_count, common=known, model=spec.band_names)
    return [colours[position] for position in chosen]
