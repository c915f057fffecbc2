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
from app.imagery.pictures.png import PALETTE, Header, read_header, read_reduced
from app.imagery.raster.decode_budget import BUDGET
from app.imagery.sources.file_kinds import is_jpeg

FORMATS = ("JPEG", "PNG", "WEBP")
MAX_FAST_BYTES = 64 * 1024 * 1024
ROWS_PIXELS = 16_000_000
"""Larger PNGs are read by rows."""
ROWS_BYTES = 64 << 20
"""Memory for reading a PNG by rows."""
_FORMAT_BYTES = {"WEBP": 24}
"""Bytes per pixel of formats whose decoder takes more memory than its result. libwebp and Pillow take 17 to 21."""
_HEAD = 4096
_ORIENTATION = 0x0112
_FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
_PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
PILLOW_ERRORS = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, AttributeError, OverflowError,
    ZeroDivisionError, MemoryError, struct.error, zlib.error, Image.DecompressionBombError,
)  # fmt: skip

Image.MAX_IMAGE_PIXELS = None  # `_check` enforces DYAD_MAX_PIXELS instead, before decoding


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded image.

    values: (H, W, B) uint8 or uint16; B is 1 or 3. alpha: (H, W) uint8, or None.
    is_browser_ready: the file is an 8-bit grey, RGB or RGBA image that browsers can show.
    size: width and height of the whole image, which `values` may show reduced.
    """

    values: NDArray[Any]
    alpha: NDArray[np.uint8] | None
    is_browser_ready: bool
    size: tuple[int, int]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the bands."""
        return ("grey",) if self.values.shape[2] == 1 else ("red", "green", "blue")


def decode(source: Path | bytes, max_pixels: int, at_least: int = 0, seconds: float | None = None) -> Picture:
    """Decode an image with EXIF orientation applied. It may be reduced, but not below sides of 2 x `at_least` (0: full size).

    seconds: how long to wait for memory (`DecodeBudget`), None: until it is free.

    Raises:
        UnreadableImage: damaged or truncated. TooLarge: more pixels than `max_pixels`, or a WebP that takes more memory than
            DYAD_DECODE_MB. Busy: no memory in time.
    """
    head = source[:_HEAD] if isinstance(source, bytes) else _read_head(source)
    png = read_header(head)
    if png is not None:
        check_size(png.width, png.height, max_pixels)
        factor = max(1, min(png.width, png.height) // (2 * at_least)) if at_least else 1
        is_deep = png.depth == 16 and png.colour != 0
        is_plain = (png.depth >= 8 and b"tRNS" not in head) or png.colour == PALETTE
        if is_deep or (is_plain and factor > 1 and png.width * png.height > ROWS_PIXELS):
            whole = png.width * png.height * png.channels * (2 if png.depth == 16 else 1)
            with BUDGET.hold(whole * 2 if png.is_interlaced or factor == 1 else ROWS_BYTES + 2 * whole // factor**2, seconds):
                return _from_rows(read_reduced(source, png, factor), png)
    if isinstance(source, bytes) or source.stat().st_size <= MAX_FAST_BYTES:
        data = source if isinstance(source, bytes) else source.read_bytes()
        picture = _decode_fast(data, max_pixels, at_least, seconds) if is_jpeg(data) else None
        if picture is not None:
            return picture
        source = data
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as image:
            check_size(image.width, image.height, max_pixels)
            needed = bytes_to_decode(image)
            if image.format in _FORMAT_BYTES:
                _check_budget(image, needed)
            with BUDGET.hold(needed, seconds):
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


def _decode_fast(data: bytes, max_pixels: int, at_least: int, seconds: float | None) -> Picture | None:
    """Decode a plain 8-bit JPEG by libjpeg-turbo; None for any other, which Pillow decodes."""
    if b"Exif\x00\x00" in data[:131_072]:  # may need rotation
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
        check_size(width, height, max_pixels)
        if colours not in ("Gray", "YCbCr", "RGB"):
            return None
        target, side = "GRAY" if colours == "Gray" else "RGB", 2 * at_least or max(width, height)
        reduced = 1 if not at_least else max(1, min(8, min(height, width) // side)) ** 2
        bands = 1 if target == "GRAY" else 3
        coefficients = 2 * bands * height * width if _is_progressive(data) else 0
        with BUDGET.hold(coefficients + 2 * bands * height * width // reduced, seconds):
            values = simplejpeg.decode_jpeg(data, target, min_height=side, min_width=side, min_factor=2 if at_least else 1)
    except ValueError:  # also for harmless irregularities, which Pillow accepts
        return None
    return Picture(values, None, is_browser_ready=True, size=(width, height))


def _is_progressive(data: bytes) -> bool:
    """Whether a JPEG's first frame header is that of a progressive image, whose coefficients are all kept in memory."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _FRAMES:
            return marker in _PROGRESSIVE
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return True


def bytes_to_decode(image: Image.Image) -> int:
    """An upper estimate of the memory for an image that Pillow decodes whole, with the copies that `_convert` makes."""
    per_pixel = 12 if image.mode in ("P", "PA", "CMYK", "RGBA", "LA", "RGB") else 8
    return _FORMAT_BYTES.get(image.format or "", per_pixel) * image.width * image.height


def _check_budget(image: Image.Image, needed: int) -> None:
    if needed > BUDGET.size:
        raise TooLarge(
            f"decoding the {image.format} image of {image.width} x {image.height} pixels takes {needed >> 20} MiB; the limit is"
            f" {BUDGET.size >> 20} MiB (DYAD_DECODE_MB). Cut it, save it as JPEG or PNG, or raise DYAD_DECODE_MB"
        )


def _from_rows(pixels: NDArray[Any], png: Header) -> Picture:
    alpha = None
    if png.channels in (2, 4):
        opacity = pixels[:, :, -1]
        alpha = (opacity >> 8).astype(np.uint8) if opacity.dtype == np.uint16 else opacity
        pixels = pixels[:, :, :-1]
        alpha = None if alpha.size and alpha.min() == 255 else alpha
    return Picture(pixels, alpha, png.depth <= 8 and png.colour != PALETTE, (png.width, png.height))


def _read_head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD)


def _convert(image: Image.Image, at_least: int) -> Picture:
    whole, is_browser_ready = image.size, image.mode in ("L", "RGB", "RGBA", "LA")
    if at_least and image.format == "JPEG" and image.mode != "CMYK":
        image.draft(image.mode, (2 * at_least, 2 * at_least))
    is_turned = image.getexif().get(_ORIENTATION, 1) >= 5
    image = ImageOps.exif_transpose(image)
    size = whole[::-1] if is_turned else whole
    if image.mode.startswith("I"):
        wide = np.asarray(image)
        return Picture(np.clip(wide, 0, 65_535).astype(np.uint16)[:, :, None], None, is_browser_ready=False, size=size)
    is_grey = image.mode in ("1", "L", "LA", "La")
    image = image.convert(("LA" if is_grey else "RGBA") if image.has_transparency_data else ("L" if is_grey else "RGB"))
    factor = min(image.size) // (2 * at_least) if at_least else 1
    if factor >= 2:
        image = image.reduce(factor)
    values = np.asarray(image)
    values = values[:, :, None] if values.ndim == 2 else values
    if not image.has_transparency_data:
        return Picture(values, None, is_browser_ready, size)
    return Picture(values[:, :, :-1], values[:, :, -1], is_browser_ready, size)


def _words(error: BaseException) -> str:
    text = str(error).split(" <_io")[0].split(" '/")[0]
    return text[:200] or type(error).__name__
