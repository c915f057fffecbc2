"""Arrays that all models share: checks of the inputs, normalisation of the embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.errors import ModelMismatch
from models.bundle.card import MatcherCard, ModelCard

SMALLEST_NORM = 1e-12


def check_tiles(card: ModelCard, tiles: NDArray[np.uint8]) -> None:
    """Return if `tiles` is (N, S, S, B) uint8 with the card's size and bands and N >= 1.

    Raises:
        ModelMismatch: it has another shape or dtype.
    """
    wanted = (card.input_size, card.input_size, len(card.bands))
    if tiles.ndim != 4 or tiles.shape[1:] != wanted or tiles.dtype != np.uint8 or len(tiles) == 0:
        raise ModelMismatch(
            f"model {card.id!r} takes one or more uint8 tiles of {' x '.join(map(str, wanted))} "
            f"(height, width, bands {', '.join(card.bands)}), not {tiles.dtype} of shape {tiles.shape}"
        )


def check_pair_features(
    card: ModelCard, matcher: MatcherCard, query: NDArray[np.float32], candidates: NDArray[np.uint8]
) -> None:
    """Return if (P,) query features and (M, P) uint8 candidate features, M >= 0, fit the card's matcher.

    Raises:
        ModelMismatch: they have another length or dtype.
    """
    width = matcher.pair_dimension
    if query.shape != (width,) or candidates.shape[1:] != (width,) or candidates.dtype != np.uint8:
        raise ModelMismatch(
            f"the matcher of model {card.id!r} takes query features of {width} numbers and as many uint8 candidate features, "
            f"not shape {query.shape} and {candidates.dtype} of shape {candidates.shape}"
        )


def l2_normalised(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Divide each row of (N, D) by its length, as float32; a row of zeros, or one that is not finite, becomes zeros."""
    rows: NDArray[np.float64] = vectors.astype(np.float64)
    rows[~np.isfinite(rows).all(axis=1)] = 0.0
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows /= np.maximum(lengths, SMALLEST_NORM)
    return rows.astype(np.float32)
