"""Comparison with a nodata value."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def differs(values: NDArray[Any], nodata: float) -> NDArray[np.bool_]:
    """Which values are not `nodata`, which may be NaN, or a number that the type of the values cannot have."""
    different: NDArray[np.bool_]
    if np.isnan(nodata):
        different = ~np.isnan(values)
        return different
    if values.dtype.kind in "iu":
        info = np.iinfo(values.dtype)
        if nodata != int(nodata) or not info.min <= nodata <= info.max:
            return np.ones(values.shape, np.bool_)
        nodata = int(nodata)
    different = values != values.dtype.type(nodata)
    return different
