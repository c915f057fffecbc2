"""GDAL restricted for untrusted files: one driver for each kind of file, one file, no network."""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader, MemoryFile

from app.errors import UnreadableImage
from app.imagery.raster.limits import CACHE_BYTES

GDAL_ERRORS = (RasterioError, CPLE_BaseError, OSError, ValueError, MemoryError, OverflowError)
_OPTIONS = {
    # Only the file: no folder listing, no .aux.xml, .ovr, .msk, .tfw or other sidecar files, and no network.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_GEOREF_SOURCES": "INTERNAL",
    "GDAL_PNG_WHOLE_IMAGE_OPTIM": "NO",  # it accepts truncated files, and takes the memory of the whole image
    "GDAL_CACHEMAX": CACHE_BYTES,
}
_WARNINGS_LOCK = threading.Lock()
_FILE_NAME = re.compile(r"(^|(?<=: ))[\w.-]+(, band \d+)?: ")


def environment() -> rasterio.Env:
    """The GDAL environment for opening and reading; enter it around each call, because it is bound to a thread."""
    return rasterio.Env(**_OPTIONS)


@contextmanager
def written(target: Path) -> Iterator[None]:
    """A block that writes a file with GDAL; if it fails, the file is removed.

    Raises:
        UnreadableImage: in place of an error of GDAL.
    """
    try:
        yield
    except GDAL_ERRORS as error:
        target.unlink(missing_ok=True)
        raise damaged(error) from None
    except BaseException:
        target.unlink(missing_ok=True)
        raise


@contextmanager
def open_dataset(source: Path | bytes, driver: str = "GTiff", page: int = 1) -> Iterator[tuple[DatasetReader, bool]]:
    """Open a file or its bytes, with one driver only: others can be made to read other files. page: of a TIFF.

    The second value is whether GDAL found a geotransform or the like; without one, some drivers leave its numbers undefined.

    Raises:
        UnreadableImage: damaged.
    """
    with ExitStack() as stack:
        try:
            with _WARNINGS_LOCK, warnings.catch_warnings(record=True) as caught, environment():
                warnings.simplefilter("always", NotGeoreferencedWarning)
                if isinstance(source, bytes):
                    memory = stack.enter_context(MemoryFile(source))
                    name = memory.name if page == 1 else f"GTIFF_DIR:{page}:{memory.name}"
                else:
                    name = str(source.resolve()) if page == 1 else f"GTIFF_DIR:{page}:{source.resolve()}"
                dataset = stack.enter_context(rasterio.open(name, driver=driver))
        except GDAL_ERRORS as error:
            raise damaged(error) from None
        yield dataset, not any(issubclass(warning.category, NotGeoreferencedWarning) for warning in caught)


def damaged(error: BaseException) -> UnreadableImage:
    """Convert an error of GDAL, without the names of temporary files."""
    words = _FILE_NAME.sub("", str(error.__cause__ or error).rsplit("/", 1)[-1])
    detail = f" ({words[:200]})" if words and "previous exception" not in words else ""
    return UnreadableImage(f"the file is damaged or truncated{detail}; write it again")
