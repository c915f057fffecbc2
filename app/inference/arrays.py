"""What every model does with arrays: check the tiles it is given, normalise the vectors it makes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domain.cards import MatcherCard, ModelCard
from app.errors import ModelMismatch

SMALLEST_NORM = 1e-12


def check_tiles(card: ModelCard, tiles: NDArray[np.uint8]) -> None:
    """Return if `tiles` is (N, S, S, B) uint8 with the card's size and bands and N >= 1.

    Raises:
        ModelMismatch: it is not.
    """
    wanted = (card.input_size, card.input_size, len(card.bands))
    if tiles.ndim != 4 or tiles.shape[1:] != wanted or tiles.dtype != np.uint8 or len(tiles) == 0:
        raise ModelMismatch(
            f"model {card.id!r} takes one or more uint8 tiles of {' x '.join(map(str, wanted))} "
            f"(height, width, bands {', '.join(card.bands)}), not {tiles.dtype} of shape {tiles.shape}"
        )


def check_halves(card: ModelCard, matcher: MatcherCard, half: NDArray[np.float32], pairs: NDArray[np.uint8]) -> None:
    """Return if a query's (P,) half and (M, P) uint8 stored ones, M >= 0, are those that the card's matcher compares.

    Raises:
        ModelMismatch: they are of another length or dtype.
    """
    width = matcher.half_dimension
    if half.shape != (width,) or pairs.shape[1:] != (width,) or pairs.dtype != np.uint8:
        raise ModelMismatch(
            f"the matcher of model {card.id!r} takes halves of {width} numbers and stored ones in uint8, "
            f"not {half.shape} and {pairs.dtype} {pairs.shape}"
        )


def l2_normalised(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Divide each row of (N, D) by its length, as float32; a row of zeros, or one that is not finite, becomes zeros."""
    rows: NDArray[np.float64] = vectors.astype(np.float64)
    rows[~np.isfinite(rows).all(axis=1)] = 0.0
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows /= np.maximum(lengths, SMALLEST_NORM)
    return rows.astype(np.float32)
