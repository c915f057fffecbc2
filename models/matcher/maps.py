"""Reshape feature vectors to maps for matchers."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def map_shape_of(length: int, size: int = 8) -> tuple[int, int, int]:
    """(C, size, size) of the map of a vector of `length` numbers.

    Raises:
        ValueError: a length or size below 1.
    """
    if length < 1 or size < 1:
        raise ValueError(f"a vector of {length} numbers cannot fill a {size} x {size} map")
    return -(-length // (size * size)), size, size


def vectors_to_maps(vectors: Tensor, size: int = 8) -> Tensor:
    """Reshape hand-crafted vectors (HoG, LBP, VLAD, ...) to maps for a matcher.

    vectors: (N, F) float32. Returns (N, C, size, size) float32, C = ceil(F / size^2), in row-major order, zeros at the end.

    Raises:
        ValueError: not a matrix, or empty vectors.
    """
    if vectors.ndim != 2:
        raise ValueError(f"vectors of shape {tuple(vectors.shape)}: (N, F) is needed")
    channels, height, width = map_shape_of(vectors.shape[1], size)
    padded = functional.pad(vectors, (0, channels * height * width - vectors.shape[1]))
    return padded.reshape(-1, channels, height, width)
