"""The head of a bundle: embeddings of stored features, without images. `models.bundle.head` describes its file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.errors import ModelMismatch
from app.inference.arrays import l2_normalised
from app.inference.bundles import as_invalid_bundle
from models.bundle.card import ModelCard
from models.bundle.head import read_head_arrays


class Head:
    """A linear layer from feature to embedding. weight: (D, F) float32. bias: (D,) float32."""

    def __init__(self, card: ModelCard, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
        self._card = card
        self._weight = weight
        self._bias = bias

    def project(self, features: NDArray[np.float16]) -> NDArray[np.float32]:
        """(N, F) float16 features to (N, D) float32 embeddings, L2-normalised.

        Raises:
            ModelMismatch: features of another width.
        """
        width = self._weight.shape[1]
        if features.ndim != 2 or features.shape[1] != width:
            raise ModelMismatch(
                f"model {self._card.id!r} computes embeddings from features of {width} numbers, not of shape {features.shape}"
            )
        return l2_normalised(features.astype(np.float32) @ self._weight.T + self._bias)


def read_head(folder: Path, card: ModelCard) -> Head | None:
    """The head of a bundle, or None if its card declares none.

    Raises:
        InvalidBundle: the file does not match the card.
    """
    with as_invalid_bundle():
        arrays = read_head_arrays(folder, card)
    return None if arrays is None else Head(card, *arrays)
