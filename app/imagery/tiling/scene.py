"""Tiles of one TIFF: windows if it is georeferenced, else the whole file. Bands and scaling are determined once a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domain.geometry import GeoJSON
from app.domain.tiles import Window
from app.errors import InvalidInput, TooLarge
from app.imagery.raster import bands, previews, scaling, windows
from app.imagery.raster.decode import check_size
from app.imagery.raster.geotiff import BYTES_PER_PIXEL, Block, Raster
from app.imagery.raster.resize import to_square
from app.imagery.raster.statistics import sample_values
from app.imagery.sources.dates import acquired
from app.imagery.sources.platforms import platform
from app.imagery.tiling.cut_spec import CutSpec, CutTile

MAX_WINDOWS = 4_000_000


class Scene:
    """An open raster with the parameters of cutting."""

    def __init__(self, raster: Raster, name: str, spec: CutSpec) -> None:
        """name: of the file, for its date and platform.

        Raises:
            ModelMismatch: the bands do not fit the model. InvalidInput: a band has no valid value.
        """
        self._raster, self._name, self._spec = raster, name, spec
        self._positions = _positions(raster, spec)
        self._eye = bands.choose_for_eye(raster.names, self._positions)
        self._check_windows()
        for_model, for_eye = sample_values(raster, self._positions, self._eye)
        self._stretch = scaling.fit(spec.scaling, *for_model)
        self._eye_stretch = scaling.fit_for_eye(*for_eye)

    def tiles(self, path: Path, skip: Callable[[Window], bool]) -> Iterator[CutTile | None]:
        """Yield tiles in row-major order, None for each window that is mostly nodata. path: of the file. skip: as in `cut`.

        Raises:
            InvalidInput: no CRS. TooLarge: too many or too large windows. UnreadableImage: damaged.
        """
        raster, spec = self._raster, self._spec
        place = raster.georeference()
        properties, when = self._properties, acquired(raster.tags, self._name)
        for window in windows.grid(raster.width, raster.height, spec.tile_size, spec.stride):
            if skip(window):
                continue
            block = raster.read(window)
            values, valid = raster.bands(block, self._positions)
            share = float(valid.any(axis=0).mean())
            if share < spec.min_valid or share == 0:
                yield None
                continue
            is_whole = (window.width, window.height) == (raster.width, raster.height)
            yield CutTile(
                window,
                self._pixels(values, valid),
                path if is_whole else raster.crop(window, block),
                ".tif",
                self._preview(block),
                place.footprint(window),
                when,
                place.gsd(window),
                {**properties, "valid_share": round(share, 4)},
                self._stretch.ranges,
            )

    def whole(self, path: Path) -> CutTile:
        """The file as one tile, with its own georeference if that is usable.

        Raises:
            TooLarge: more pixels than DYAD_MAX_PIXELS. UnreadableImage: damaged.
        """
        raster = self._raster
        block = self._read_whole()
        geometry, gsd = self._whole_place()
        when = acquired(raster.tags, self._name) if raster.is_placed else None
        pixels = self._pixels(*raster.bands(block, self._positions))
        preview, stretch = self._preview(block), self._stretch.ranges
        return CutTile(None, pixels, path, ".tif", preview, geometry, when, gsd, self._properties, stretch)

    def _whole_place(self) -> tuple[GeoJSON | None, float | None]:
        everything = Window(0, 0, self._raster.width, self._raster.height)
        if not self._raster.is_placed:
            return None, None
        try:
            place = self._raster.georeference()
        except InvalidInput:  # the caller has the geometry
            return None, None
        return place.footprint(everything), place.gsd(everything)

    def whole_pixels(self) -> NDArray[np.uint8]:
        """The file as (S, S, B) uint8 model input.

        Raises:
            TooLarge: more pixels than DYAD_MAX_PIXELS. UnreadableImage: damaged.
        """
        return self._pixels(*self._raster.bands(self._read_whole(), self._positions))

    def _read_whole(self) -> Block:
        return _read_whole(self._raster, [*self._positions, *self._eye], self._spec)

    def _pixels(self, values: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
        return _to_model(values, valid, self._stretch, self._spec)

    def _preview(self, block: Block) -> bytes:
        values, valid = self._raster.bands(block, self._eye)
        shown = np.ascontiguousarray(np.moveaxis(self._eye_stretch.apply(values, valid), 0, -1))
        return previews.render(shown, np.where(valid.any(axis=0), np.uint8(255), np.uint8(0)))[0]

    @cached_property
    def _properties(self) -> dict[str, Any]:
        facts = {"crs": self._raster.crs, "platform": platform(self._raster.tags, self._name)}
        properties: dict[str, Any] = {key: value for key, value in facts.items() if value}
        if any(self._raster.names):
            properties["band_names"] = [name or str(number) for number, name in enumerate(self._raster.names, 1)]
        return properties

    def _check_windows(self) -> None:
        raster, spec = self._raster, self._spec
        number = windows.count(raster.width, raster.height, spec.tile_size, spec.stride)
        if number > MAX_WINDOWS:
            raise TooLarge(
                f"the scene of {raster.width} x {raster.height} pixels would give {number} tiles; the limit is"
                f" {MAX_WINDOWS}: use a larger stride, or split the scene"
            )
        first = next(windows.grid(raster.width, raster.height, spec.tile_size, spec.stride))
        if raster.window_bytes(first) > BYTES_PER_PIXEL * spec.max_pixels:
            raise TooLarge(
                f"one tile with all its bands takes {raster.window_bytes(first) >> 20} MiB, more than DYAD_MAX_PIXELS"
                f" ({spec.max_pixels}) allows; use a smaller tile_size or fewer bands"
            )


def stored_pixels(raster: Raster, spec: CutSpec, stretch: scaling.Stretch | None, *, is_window: bool) -> NDArray[np.uint8]:
    """(S, S, B) uint8 model input of the open image of a tile, equal to what `Scene` returns for the original file.

    stretch: of the file; None: from the tile's own values. is_window: it was cut from a scene, so it is read at full size.

    Raises:
        ModelMismatch: the bands do not fit the model. InvalidInput: a band has no valid value. TooLarge, UnreadableImage.
    """
    positions = _positions(raster, spec)
    stretch = stretch or scaling.fixed(spec.scaling, raster.dtype, len(positions))
    if stretch is None:
        stretch = scaling.fit(spec.scaling, *sample_values(raster, positions, positions)[0])
    block = raster.read(positions=positions) if is_window else _read_whole(raster, positions, spec)
    return _to_model(*raster.bands(block, positions), stretch, spec)


def _read_whole(raster: Raster, positions: Sequence[int], spec: CutSpec) -> Block:
    """Read the whole file, decimated to about twice the size that model and preview need."""
    check_size(raster.width, raster.height, spec.max_pixels)
    side = 2 * max(spec.input_size, previews.SIZE)
    factor = max(1, min(raster.width, raster.height) // side)
    shape = (-(-raster.height // factor), -(-raster.width // factor))
    return raster.read(shape=shape if factor > 1 else None, positions=positions, average=True)


def _to_model(values: NDArray[Any], valid: NDArray[np.bool_], stretch: scaling.Stretch, spec: CutSpec) -> NDArray[np.uint8]:
    return to_square(np.moveaxis(stretch.apply(values, valid), 0, -1), spec.input_size)


def _positions(raster: Raster, spec: CutSpec) -> list[int]:
    """Positions of the bands for the model.

    An alpha band is included only if it is selected, or if the model takes as many bands as the file has with it: files with a
    fourth, infrared band often declare it as alpha.
    """
    colours = [position for position in range(len(raster.names)) if position != raster.alpha]
    if spec.bands is not None or spec.band_count > len(colours) > 1:
        return bands.choose(raster.names, spec.bands, spec.band_count)
    return [colours[position] for position in bands.choose([raster.names[c] for c in colours], None, spec.band_count)]
