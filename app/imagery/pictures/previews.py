"""Previews: small images in formats that browsers can show."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.imagery.pictures.decode import Picture, decode
from app.imagery.raster.decode_budget import QUERY_SECONDS
from app.imagery.values import scaling

SIZE = 256
QUALITY = 85


def thumbnail(data: bytes, size: int, max_pixels: int) -> tuple[bytes, str]:
    """A JPEG, PNG or WebP image reduced to at most size x size pixels (never enlarged), and its media type.

    The result is a PNG if the image is partly transparent, else a JPEG.

    Raises:
        UnreadableImage: damaged. TooLarge: more pixels than `max_pixels`. Busy: no memory in time.
    """
    return of_picture(decode(data, max_pixels, size, QUERY_SECONDS), size)


def of_picture(picture: Picture, size: int = SIZE) -> tuple[bytes, str]:
    """Like `thumbnail`, for a decoded image; 16-bit values are stretched for display."""
    values = np.moveaxis(picture.values, -1, 0)
    valid = np.ones(values.shape, np.bool_)
    if picture.values.dtype != np.uint8:
        values = scaling.fit_for_eye(values, valid).apply(values, valid)
    return render(np.ascontiguousarray(np.moveaxis(values, 0, -1)), picture.alpha, size)


def render(values: NDArray[np.uint8], alpha: NDArray[np.uint8] | None, size: int = SIZE) -> tuple[bytes, str]:
    """Encode (H, W, 1 or 3) uint8 pixels, with (H, W) uint8 alpha or None, as at most size x size pixels."""
    image = Image.fromarray(values[:, :, 0] if values.shape[2] == 1 else values)
    if alpha is not None and int(alpha.min()) < 255:
        image.putalpha(Image.fromarray(alpha))
    image.thumbnail((size, size), Image.Resampling.BICUBIC, reducing_gap=2.0)
    buffer = io.BytesIO()
    if image.has_transparency_data:
        image.save(buffer, "PNG", compress_level=3)
        return buffer.getvalue(), "image/png"
    image.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue(), "image/jpeg"
