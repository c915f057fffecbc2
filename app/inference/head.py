"""A bundle's `head.npz`: the matrix that makes the embedding of the feature, for a whole collection at once.

::

    weight   (D, F) float32
    bias     (D,) float32

`embedding = normalised(feature @ weight.T + bias)`, the same as the encoder's graph makes. Bundles may have none.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.domain.cards import ModelCard
from app.errors import InvalidBundle, ModelMismatch
from app.inference.arrays import l2_normalised

HEAD_FILE = "head.npz"
_HEADER_BYTES = 4096


class Head:
    """A head read from `folder`; where its card declares none, `read_head` gives None.

    Raises:
        InvalidBundle: the file does not fit the card.
    """

    def __init__(self, folder: Path, card: ModelCard) -> None:
        dimension, width = card.dimension, card.feature_dimension
        self._card = card
        self._weight = _read(folder, "weight", (dimension, width))
        self._bias = _read(folder, "bias", (dimension,))

    def project(self, features: NDArray[np.float16]) -> NDArray[np.float32]:
        """(N, F) float16 features to (N, D) float32 embeddings, L2-normalised.

        Raises:
            ModelMismatch: features of another width.
        """
        width = self._weight.shape[1]
        if features.ndim != 2 or features.shape[1] != width:
            raise ModelMismatch(f"model {self._card.id!r} makes embeddings of {width} numbers, not {features.shape}")
        return l2_normalised(features.astype(np.float32) @ self._weight.T + self._bias)


def read_head(folder: Path, card: ModelCard) -> Head | None:
    """The head of a bundle, or None where its card declares none.

    Raises:
        InvalidBundle: the file does not fit the card.
    """
    return Head(folder, card) if HEAD_FILE in card.files else None


def _read(folder: Path, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """One array; its size is known before a byte of it is unpacked."""
    where = f"{folder.name}: {HEAD_FILE}: {name}"
    try:
        with zipfile.ZipFile(folder / HEAD_FILE) as archive:
            size = archive.getinfo(f"{name}.npy").file_size
        if size > 4 * int(np.prod(shape)) + _HEADER_BYTES:
            raise InvalidBundle(f"{where} has {size} bytes, more than float32 of the card's shape {shape}")
        with np.load(folder / HEAD_FILE, allow_pickle=False) as arrays:
            array: NDArray[np.float32] = arrays[name]
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InvalidBundle(f"{where} cannot be read ({' '.join(str(error).split())[:200]})") from None
    if array.shape != shape or array.dtype != np.float32 or not np.isfinite(array).all():
        raise InvalidBundle(f"{where} is {array.dtype} of shape {array.shape}; the card says finite float32 of shape {shape}")
    return array
