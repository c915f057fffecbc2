"""Decodes JPEG, PNG and WebP of any colour mode; the size is checked before decoding."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, ImageOps

from app.errors import TooLarge, UnreadableImage
from app.imagery.sources.file_kinds import is_jpeg

FORMATS = ("JPEG", "PNG", "WEBP")
MAX_FAST_BYTES = 64 * 1024 * 1024
PILLOW_ERRORS = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, AttributeError, OverflowError,
    ZeroDivisionError, MemoryError, struct.error, zlib.error, Image.DecompressionBombError,
)  # fmt: skip

Image.MAX_IMAGE_PIXELS = None  # `_check` enforces DYAD_MAX_PIXELS instead, before decoding


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded image.

    values: (H, W, B) uint8, or uint16 with one band; B is 1 or 3. alpha: (H, W) uint8, or None.
    is_browser_ready: the file is an 8-bit grey, RGB or RGBA image that browsers can show.
    """

    values: NDArray[Any]
    alpha: NDArray[np.uint8] | None
    is_browser_ready: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the bands."""
        return ("grey",) if self.values.shape[2] == 1 else ("red", "green", "blue")


def decode(source: Path | bytes, max_pixels: int, at_least: int = 0) -> Picture:
    """Decode an image with EXIF orientation applied. It may be reduced, but not below sides of 2 x `at_least` (0: full size).

    Raises:
        UnreadableImage: damaged or truncated. TooLarge: more pixels than `max_pixels`.
    """
    if isinstance(source, bytes) or source.stat().st_size <= MAX_FAST_BYTES:
        data = source if isinstance(source, bytes) else source.read_bytes()
        picture = _decode_fast(data, max_pixels, at_least) if is_jpeg(data) else None
        if picture is not None:
            return picture
        source = data
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as image:
            check_size(image.width, image.height, max_pixels)
            return _convert(image, at_least)
    except PILLOW_ERRORS as error:
        raise UnreadableImage(f"the image is damaged or truncated ({_words(error)}); save it again") from None


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Check the number of pixels.

    Raises:
        TooLarge: more than `max_pixels`.
    """
    if width * height > max_pixels:
        raise TooLarge(
            f"the image has {width} x {height} pixels; the limit is {max_pixels} (DYAD_MAX_PIXELS). Cut it, or send it as a"
            " georeferenced Cloud Optimized GeoTIFF, which is cut into tiles"
        )


def _decode_fast(data: bytes, max_pixels: int, at_least: int) -> Picture | None:
    """Decode a plain 8-bit JPEG by libjpeg-turbo; None for any other, which Pillow decodes."""
    if b"Exif\x00\x00" in data[:131_072]:  # may need rotation
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
        check_size(width, height, max_pixels)
        if colours not in ("Gray", "YCbCr", "RGB"):
            return None
        target, side = "GRAY" if colours == "Gray" else "RGB", 2 * at_least or max(width, height)
        values = simplejpeg.decode_jpeg(data, target, min_height=side, min_width=side, min_factor=2 if at_least else 1)
    except ValueError:  # also for harmless irregularities, which Pillow accepts
        return None
    return Picture(values, None, is_browser_ready=True)


def _convert(image: Image.Image, at_least: int) -> Picture:
    is_browser_ready = image.mode in ("L", "RGB", "RGBA", "LA")
    if at_least and image.format == "JPEG" and image.mode != "CMYK":
        image.draft(image.mode, (2 * at_least, 2 * at_least))
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        wide = np.asarray(image)
        return Picture(np.clip(wide, 0, 65_535).astype(np.uint16)[:, :, None], None, is_browser_ready=False)
    is_grey = image.mode in ("1", "L", "LA", "La")
    image = image.convert(("LA" if is_grey else "RGBA") if image.has_transparency_data else ("L" if is_grey else "RGB"))
    factor = min(image.size) // (2 * at_least) if at_least else 1
    if factor >= 2:
        image = image.reduce(factor)
    values = np.asarray(image)
    values = values[:, :, None] if values.ndim == 2 else values
    if not image.has_transparency_data:
        return Picture(values, None, is_browser_ready)
    return Picture(values[:, :, :-1], values[:, :, -1], is_browser_ready)


def _words(error: BaseException) -> str:
    text = str(error).split(" <_io")[0].split(" '/")[0]
    return text[:200] or type(error).__name__
