"""A bundle's `head.npz`: the linear layer that computes the embedding from the feature, for a whole collection at once.

::

    weight   (D, F) float32
    bias     (D,) float32

`embedding = normalised(feature @ weight.T + bias)`, equal to what the encoder's graph computes. The file is optional.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.bundle.card import ModelCard
from models.bundle.errors import BundleError
from models.bundle.files import HEAD_FILE

_HEADER_BYTES = 4096


def read_head_arrays(folder: Path, card: ModelCard) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """(D, F) weight and (D,) bias of a bundle's head; None if its card declares none.

    Raises:
        BundleError: the file does not match the card.
    """
    if HEAD_FILE not in card.files:
        return None
    weight = _read(folder, "weight", (card.dimension, card.feature_dimension))
    return weight, _read(folder, "bias", (card.dimension,))


def _read(folder: Path, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """One array; its size is checked before it is unpacked."""
    where = f"{folder.name}: {HEAD_FILE}: {name}"
    try:
        with zipfile.ZipFile(folder / HEAD_FILE) as archive:
            size = archive.getinfo(f"{name}.npy").file_size
        if size > 4 * int(np.prod(shape)) + _HEADER_BYTES:
            raise BundleError(f"{where} has {size} bytes, more than float32 of the card's shape {shape}")
        with np.load(folder / HEAD_FILE, allow_pickle=False) as arrays:
            array: NDArray[np.float32] = arrays[name]
    except BundleError:  # which is a ValueError
        raise
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise BundleError(f"{where} cannot be read ({' '.join(str(error).split())[:200]})") from None
    if array.shape != shape or array.dtype != np.float32 or not np.isfinite(array).all():
        raise BundleError(f"{where} is {array.dtype} of shape {array.shape}; the card says finite float32 of shape {shape}")
    return array
