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

from app.errors import InvalidInput, OutOfSpace, TooLarge
from app.imagery.raster.gdal import GDAL_ERRORS, damaged, environment
from app.imagery.sources.file_kinds import FileKind, sniff

ROWS = 512
SPARE_BYTES = 256 << 20
_TIFF = (b"II", b"MM")


def write_stack(files: Sequence[tuple[str, Path]], target: Path, max_bytes: int, check: Callable[[], None]) -> None:
    """Write the first band of each file, under its name, to the new GeoTIFF `target`.

    Coarser bands are resampled to the grid of the finest one. max_bytes: limit of the uncompressed size. check: called between
    the rows, to stop.

    Raises:
        InvalidInput: the files have different CRSs or do not overlap, or one is not a TIFF. UnreadableImage: damaged.
        TooLarge: more than `max_bytes`. OutOfSpace: the disk has no room.
    """
    try:
        with ExitStack() as stack, warnings.catch_warnings(), environment():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            opened = [(name, stack.enter_context(_opened(name, path))) for name, path in files]
            finest = min((dataset for _, dataset in opened), key=_pixel_area)
            _check(opened, finest, target.parent, max_bytes)
            bands = [stack.enter_context(_on_grid(dataset, finest)) for _, dataset in opened]
            _write(bands, [name for name, _ in opened], finest, target, check)
    except GDAL_ERRORS as error:
        target.unlink(missing_ok=True)
        raise damaged(error) from None
    except BaseException:
        target.unlink(missing_ok=True)
        raise


@contextmanager
def _opened(name: str, path: Path) -> Iterator[DatasetReader]:
    """A file with one driver only: others can be made to read other files."""
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


def _check(opened: Sequence[tuple[str, DatasetReader]], finest: DatasetReader, folder: Path, max_bytes: int) -> None:
    size = finest.width * finest.height * sum(np.dtype(dataset.dtypes[0]).itemsize for _, dataset in opened)
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


def _write(bands: Sequence[Any], names: Sequence[str], finest: DatasetReader, target: Path, check: Callable[[], None]) -> None:
    dtype = np.result_type(*(np.dtype(band.dtypes[0]) for band in bands))
    profile: dict[str, Any] = {
        "driver": "GTiff", "width": finest.width, "height": finest.height, "count": len(bands), "dtype": dtype.name,
        "nodata": _nodata([finest, *bands]), "compress": "deflate", "zlevel": 1, "predictor": 3 if dtype.kind == "f" else 2,
        "tiled": True, "blockxsize": 512, "blockysize": 512, "interleave": "band", "bigtiff": "if_safer",
    }  # fmt: skip
    if finest.crs:
        profile |= {"crs": finest.crs, "transform": finest.transform}
    with rasterio.open(target, "w", **profile) as output:
        output.descriptions = tuple(names)
        output.update_tags(
            **{key: value for key, value in finest.tags().items() if key.upper().startswith(("ACQ", "DATE_", "TIFFTAG_DATE"))}
        )
        for row in range(0, finest.height, ROWS):
            check()
            window = Window(0, row, finest.width, min(ROWS, finest.height - row))
            for number, band in enumerate(bands, 1):
                output.write(band.read(1, window=window).astype(dtype), number, window=window)
