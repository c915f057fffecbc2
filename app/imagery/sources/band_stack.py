"""Stacks files of single bands into one GeoTIFF with named bands, on the grid of the finest one."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from app.domain.places.geometry import Bounds
from app.errors import InvalidInput, OutOfSpace, TooLarge
from app.imagery.raster.area_copy import Readable, covering, internal_mask, open_file, parts_of, window_of
from app.imagery.raster.gdal import environment, written
from app.imagery.raster.windows import TileGrid
from app.imagery.sources.file_kinds import FileKind, sniff

SPARE_BYTES = 256 << 20
_TIFF = (b"II", b"MM")


def write_stack(
    files: Sequence[tuple[str, Path | Readable]],
    target: Path,
    max_bytes: int,
    check: Callable[[], None],
    area: tuple[Bounds, TileGrid] | None = None,
) -> None:
    """Write the first band of each file, under its name, to the new GeoTIFF `target`.

    Coarser bands are resampled to the grid of the finest one. max_bytes: limit of the uncompressed size. check: called between
    the rows, to stop. area: only the windows of this grid that meet the area get values, others are masked or nodata.

    Raises:
        InvalidInput: the files have different CRSs or do not overlap, or one is not a TIFF. UnreadableImage: damaged.
        TooLarge: more than `max_bytes`. OutOfSpace: the disk has no room. Elsewhere: the bands do not meet the area.
    """
    with written(target), warnings.catch_warnings(), environment(), internal_mask(), ExitStack() as stack:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        opened = [(name, stack.enter_context(_opened(name, file))) for name, file in files]
        finest = min((dataset for _, dataset in opened), key=_pixel_area)
        window = Window(0, 0, finest.width, finest.height)
        if area is not None and finest.crs:
            window = window_of(finest, covering(finest, *area))
        _check(opened, finest, window, target.parent, max_bytes)
        bands = [stack.enter_context(_on_grid(dataset, finest)) for _, dataset in opened]
        _write(bands, [name for name, _ in opened], finest, window, target, check)


@contextmanager
def _opened(name: str, path: Path | Readable) -> Iterator[DatasetReader]:
    """A file with one driver only: others can be made to read other files."""
    if not isinstance(path, Path):
        with open_file(path) as dataset:
            yield dataset
        return
    if sniff(path) is not FileKind.RASTER:
        raise InvalidInput(
            f"band {name!r} is not a TIFF, and only TIFFs are stacked; convert it: gdal_translate -of COG in out.tif"
        )
    with path.open("rb") as file:
        driver = "GTiff" if file.read(2) in _TIFF else "JP2OpenJPEG"
    with rasterio.open(path.resolve(), driver=driver) as dataset:
        yield dataset


def _pixel_area(dataset: DatasetReader) -> float:
    return abs(float(dataset.transform.determinant)) if dataset.crs else 1 / (dataset.width * dataset.height)


def _check(
    opened: Sequence[tuple[str, DatasetReader]], finest: DatasetReader, window: Window, folder: Path, max_bytes: int
) -> None:
    size = int(window.width * window.height) * sum(np.dtype(dataset.dtypes[0]).itemsize for _, dataset in opened)
    if size > max_bytes:
        raise TooLarge(
            f"the stacked bands take {size >> 20} MiB, more than {max_bytes >> 20} MiB (DYAD_MAX_UPLOAD_MB); select fewer with"
            " the collection's `bands`, or crop the files"
        )
    if shutil.disk_usage(folder).free < size + SPARE_BYTES:
        raise OutOfSpace(f"{folder} has no room for the stacked bands of {size >> 20} MiB; make room and try again")
    for name, dataset in opened:
        if dataset.crs != finest.crs:
            raise InvalidInput(
                f"band {name!r} has the CRS {dataset.crs}, another band {finest.crs}; warp them to one CRS: gdalwarp -t_srs"
            )
        if not dataset.crs and dataset.shape != finest.shape:
            raise InvalidInput(f"band {name!r} has another size and no georeference, so the bands cannot be stacked")
        if dataset.crs and not _overlaps(dataset, finest):
            raise InvalidInput(f"band {name!r} shows another place than the other bands, so they cannot be stacked")


def _overlaps(one: DatasetReader, other: DatasetReader) -> bool:
    a, b = one.bounds, other.bounds
    return bool(
        min(a.left, a.right) < max(b.left, b.right)
        and min(b.left, b.right) < max(a.left, a.right)
        and min(a.bottom, a.top) < max(b.bottom, b.top)
        and min(b.bottom, b.top) < max(a.bottom, a.top)
    )


@contextmanager
def _on_grid(dataset: DatasetReader, finest: DatasetReader) -> Iterator[Any]:
    """The dataset on the grid of the finest one."""
    if dataset.shape == finest.shape and dataset.transform.almost_equals(finest.transform, precision=1e-6):
        yield dataset
        return
    grid = {"crs": finest.crs, "transform": finest.transform, "width": finest.width, "height": finest.height}
    with WarpedVRT(dataset, **grid, resampling=Resampling.bilinear, nodata=_nodata([dataset])) as warped:
        yield warped


def _nodata(datasets: Sequence[DatasetReader]) -> float | None:
    return next((dataset.nodata for dataset in datasets if dataset.nodata is not None), None)


def _write(
    bands: Sequence[Any], names: Sequence[str], finest: DatasetReader, window: Window, target: Path, check: Callable[[], None]
) -> None:
    is_part = (window.width, window.height) != (finest.width, finest.height)
    dtype = np.result_type(*(np.dtype(band.dtypes[0]) for band in bands))
    profile: dict[str, Any] = {
        "driver": "GTiff", "width": finest.width, "height": finest.height, "count": len(bands), "dtype": dtype.name,
        "nodata": _nodata([finest, *bands]), "compress": "deflate", "zlevel": 1, "predictor": 3 if dtype.kind == "f" else 2,
        "tiled": True, "blockxsize": 512, "blockysize": 512, "interleave": "band", "bigtiff": "if_safer",
        "sparse_ok": is_part,
    }  # fmt: skip
    if finest.crs:
        profile |= {"crs": finest.crs, "transform": finest.transform}
    with rasterio.open(target, "w", **profile) as output:
        output.descriptions = tuple(names)
        output.update_tags(
            **{key: value for key, value in finest.tags().items() if key.upper().startswith(("ACQ", "DATE_", "TIFFTAG_DATE"))}
        )
        for part in parts_of(window):
            check()
            for number, band in enumerate(bands, 1):
                output.write(band.read(1, window=part).astype(dtype), number, window=part)
            if is_part and profile["nodata"] is None:
                output.write_mask(np.full((int(part.height), int(part.width)), 255, np.uint8), window=part)
