"""Colour maps of similarity layers, and their legend."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.errors import InvalidInput

DEFAULT = "viridis"


@cache
def palette(name: str) -> NDArray[np.uint8]:
    """(256, 3) uint8 colours of a colour map of matplotlib.

    Raises:
        InvalidInput: there is no such map.
    """
    import matplotlib  # a slow import

    if name not in matplotlib.colormaps:
        raise InvalidInput(
            f"colormap {name[:50]!r} is not known; accepted: the colour maps of matplotlib, for example viridis, magma, Reds"
        )
    colours = matplotlib.colormaps[name](np.linspace(0, 1, 256))
    return np.asarray(np.round(colours[:, :3] * 255), np.uint8)


def legend(name: str) -> bytes:
    """A PNG of a colour map from 0 (left) to 1."""
    image = Image.fromarray(np.repeat(palette(name)[np.newaxis], 16, axis=0))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
