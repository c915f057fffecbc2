"""Histograms of oriented gradients: nine orientations in a 3 x 3 grid, 81 numbers (Dalal and Triggs 2005).

The residual-dyad paper and its source give the size, not the layout; this is scikit-image's, all nine cells normalised as one
block, untuned.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.feature import hog as histograms

from app.inference.handcrafted.threads import HandCrafted
from models.bundle.card import ModelCard

CELLS = 3
ORIENTATIONS = 9
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)

CARD = ModelCard(
    id="hog",
    title="HoG",
    description="Histograms of oriented gradients: 3 x 3 cells, 9 orientations. Untrained; knows shapes, not colours.",
    kind="hand-crafted",
    input_size=256,
    bands=("red", "green", "blue"),
    dimension=CELLS * CELLS * ORIENTATIONS,
    licence="Apache-2.0",
    training_data="none",
)


def describe(tile: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(S, S, 3) uint8 red, green, blue to (81,): the cells' histograms, row by row."""
    side = len(tile) // CELLS
    described: NDArray[np.float64] = histograms(
        tile @ LUMA,
        orientations=ORIENTATIONS,
        pixels_per_cell=(side, side),
        cells_per_block=(CELLS, CELLS),
        block_norm="L2-Hys",
    )
    return described


def hog(threads: int) -> HandCrafted:
    """The model `hog`."""
    return HandCrafted(CARD, describe, threads)
