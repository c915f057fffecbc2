"""Averages of the weights of two networks (WiSE-FT, arXiv 2109.01903)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def average_weights(start: Mapping[str, Tensor], end: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """`start + share * (end - start)` of each floating-point tensor; others are those of the end.

    share: 0..1. Both are state dicts with the same names.

    Raises:
        ValueError: other names, or a share outside 0..1.
    """
    if start.keys() != end.keys() or not 0 <= share <= 1:
        raise ValueError(f"weights of two different networks, or a share outside 0..1: {share:g}")
    return {
        name: value.lerp(end[name], share) if value.is_floating_point() else end[name].clone() for name, value in start.items()
    }
