"""The head that training starts from, for a model whose embedding is long."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.heads.linear_head import Head

LONGEST = 512
"""Longest embedding of a trained head, so that training takes minutes. Networks that Dyad trains have shorter ones."""
SAMPLE = 4096


def starting_head(base: Head, features: NDArray[np.floating[Any]], seed: int) -> Head:
    """The base model's head, shortened to `LONGEST` outputs with nearly the same cosines if it has more.

    The outputs are then the first principal components, without centring, of the base's embeddings of a sample of tiles. With
    fewer tiles than outputs, any directions orthogonal to them follow.

    features: (N, F) of the collection.
    """
    if base.dimension <= LONGEST:
        return base
    random = np.random.default_rng(seed)
    rows = np.sort(random.permutation(len(features))[:SAMPLE])
    embeddings = base.project(features, rows)
    _, found = np.linalg.eigh((embeddings.T @ embeddings).astype(np.float64))
    basis = found[:, ::-1][:, :LONGEST].T.astype(np.float32)
    return Head(np.ascontiguousarray(basis @ base.weight), basis @ base.bias)
