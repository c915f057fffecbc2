"""Finds the fill value of a raster that does not declare nodata."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.imagery.raster.geotiff import Raster
from app.imagery.values.statistics import sample_blocks

SENTINELS = (-9999.0, -99999.0, -999.0, -32768.0, -32767.0, -1e20, 1e20, -1.7976931348623157e308)
MIN_SENTINEL, MIN_SHARE, MIN_EDGE = 0.001, 0.02, 0.2
MIN_SHARE_8_BIT, MIN_EDGE_8_BIT = 0.05, 0.25


def find_fill(raster: Raster, positions: Sequence[int]) -> tuple[float, float] | None:
    """The fill value and its share of the pixels; None without one, or if the file declares which pixels are valid.

    A fill value is the same in all bands. It is a usual nodata value below or above all others, or the lowest or highest value
    of the scene where that covers at least a fifth of the scene's edge; in 8-bit files it is 0 in three bands or more.
    """
    if raster.declares_validity:
        return None
    names = list(dict.fromkeys(positions))
    samples = [(raster.bands(block, names)[0], edge) for block, edge in sample_blocks(raster, names)]
    values = np.concatenate([_flat(values) for values, _ in samples], axis=1)
    border = np.concatenate([_flat(edge[np.newaxis])[0] for _, edge in samples])
    finite = np.isfinite(values).all(axis=0)
    values, border = values[:, finite], border[finite]
    if values.size == 0:
        return None
    low, high = float(values.min()), float(values.max())
    if low == high:
        return None
    for value in (low, high):
        same = (values == values.dtype.type(value)).all(axis=0)
        share, edge = float(same.mean()), float(same[border].mean()) if border.any() else 0.0
        if share < 1 and _is_fill(raster, value, share, edge, len(names)):
            return value, share
    return None


def describe_fill(value: float, share: float) -> str:
    """The note about a fill value."""
    return (
        f"no nodata value is declared; {value:g} covers {share:.0%} of the pixels and is treated as nodata. To declare another"
        " value: gdal_edit.py -a_nodata VALUE file.tif"
    )


def _is_fill(raster: Raster, value: float, share: float, edge: float, bands: int) -> bool:
    if raster.dtype == np.uint8:
        return value == 0 and bands >= 3 and raster.place.is_known and share >= MIN_SHARE_8_BIT and edge >= MIN_EDGE_8_BIT
    if raster.dtype.kind == "f" and value == 0 and bands == 1:
        return False  # an elevation or an index may be 0 over large areas
    if value in SENTINELS or abs(value) > 1e30 or (value != 0 and _is_limit(raster.dtype, value)):
        return share >= MIN_SENTINEL
    return share >= MIN_SHARE and edge >= MIN_EDGE


def _is_limit(dtype: np.dtype[Any], value: float) -> bool:
    return dtype.kind == "i" and dtype.itemsize > 1 and value == np.iinfo(dtype).min


def _flat(values: NDArray[Any]) -> NDArray[Any]:
    return values.reshape(len(values), -1)
