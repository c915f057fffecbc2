"""Votes for displacements: which pairs of places of two maps are displaced alike, after a turn of one of them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

REACH = 2
"""Largest displacement along each axis, in places."""


def turns(size: tuple[int, int]) -> list[NDArray[np.intp]]:
    """The quarter turns of a map of (h, w) places, each as (h * w,) indices: four of a square, two of a rectangle."""
    height, width = size
    grid = np.arange(height * width).reshape(size)
    return [np.rot90(grid, turn).ravel() for turn in (range(4) if height == width else (0, 2))]


def vote_matrix(size: tuple[int, int]) -> tuple[Tensor, list[int]]:
    """The mean of a correlation over all places that are displaced alike, as a matrix product.

    size: (h, w). Returns (h w * h w, V) float32 and the number of its columns in each ring: the columns are the displacements
    of up to `REACH` places after each turn; a ring has the displacements of one (longer, shorter) absolute extent. Rows are
    pairs of places, the query's first; the weights of a column are equal and sum to 1.
    """
    height, width = size
    places = height * width
    y, x = np.divmod(np.arange(places), width)
    rings: dict[tuple[int, int], list[NDArray[np.float32]]] = {}
    for order in turns(size):
        for dy in range(-min(REACH, height - 1), min(REACH, height - 1) + 1):
            for dx in range(-min(REACH, width - 1), min(REACH, width - 1) + 1):
                inside = np.flatnonzero((y + dy >= 0) & (y + dy < height) & (x + dx >= 0) & (x + dx < width))
                column = np.zeros((places, places), np.float32)
                column[inside, order[(y[inside] + dy) * width + x[inside] + dx]] = 1 / len(inside)
                rings.setdefault((max(abs(dy), abs(dx)), min(abs(dy), abs(dx))), []).append(column.ravel())
    columns = [column for ring in sorted(rings) for column in rings[ring]]
    return torch.from_numpy(np.stack(columns, axis=1)), [len(rings[ring]) for ring in sorted(rings)]
