"""Colours of palette and CMYK rasters."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader

CMYK = (ColorInterp.cyan, ColorInterp.magenta, ColorInterp.yellow, ColorInterp.black)


def lookup_table(dataset: DatasetReader) -> NDArray[np.uint8] | None:
    """The palette as (256 or 65 536, 4) uint8 RGBA; None if the type of the values has no palette."""
    if dataset.dtypes[0] not in ("uint8", "uint16"):
        return None
    table = np.zeros((256 if dataset.dtypes[0] == "uint8" else 65_536, 4), np.uint8)
    for index, colour in dataset.colormap(1).items():
        table[index] = colour
    return table


def cmyk_to_rgb(raw: NDArray[Any]) -> NDArray[np.uint8]:
    """(3, h, w) uint8 colours of (4, h, w) uint8 inks."""
    light: NDArray[np.uint16] = (255 - raw[:3].astype(np.uint16)) * (255 - raw[3]) // 255
    return light.astype(np.uint8)
