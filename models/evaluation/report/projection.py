"""Projection of embeddings to a plane: t-SNE, as in figure 4 of HR-S2DML, or UMAP if it is installed."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.manifold import TSNE  # type: ignore[import-untyped]

from models.evaluation.errors import EvaluationError
from models.evaluation.metrics.ranking import Embeddings

Method = Literal["tsne", "umap"]
LIMIT = 3000
"""Maximum number of points: more overlap, and take minutes."""
NAMES: dict[Method, str] = {"tsne": "t-SNE", "umap": "UMAP"}
_FEWEST = 5


@dataclass(frozen=True, slots=True)
class EmbeddingMap:
    """rows: (M,) intp, ascending, of the embeddings. points: (M, 2) float32, without unit. method: of the projection."""

    rows: NDArray[np.intp]
    points: NDArray[np.float32]
    method: Method


def embedding_map(embeddings: Embeddings, *, method: Method = "tsne", limit: int = LIMIT, seed: int = 0) -> EmbeddingMap:
    """Project (N, D) L2-normalised embeddings to a plane; of more than `limit` a random sample.

    Raises:
        EvaluationError: there are fewer than 5, or UMAP is requested and not installed.
    """
    if embeddings.ndim != 2 or min(len(embeddings), limit) < _FEWEST:
        raise EvaluationError(
            f"a map needs at least {_FEWEST} embeddings (N, D), not {embeddings.shape} with a limit of {limit}"
        )
    rows = np.arange(len(embeddings))
    if len(rows) > limit:
        rows = np.sort(np.random.default_rng(seed).choice(len(rows), limit, replace=False))
    place = _umap if method == "umap" else _tsne
    return EmbeddingMap(rows, place(embeddings[rows], seed), method)


def _tsne(embeddings: Embeddings, seed: int) -> NDArray[np.float32]:
    perplexity = min(30.0, (len(embeddings) - 1) / 3)
    # On unit vectors the Euclidean distance orders as the cosine does.
    points = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(embeddings)
    return np.asarray(points, dtype=np.float32)


def _umap(embeddings: Embeddings, seed: int) -> NDArray[np.float32]:
    try:
        umap = importlib.import_module("umap")
    except ImportError:
        raise EvaluationError("UMAP is not installed; run `pip install umap-learn`, or use t-SNE") from None
    neighbours = min(15, len(embeddings) - 1)
    reducer = umap.UMAP(n_neighbors=neighbours, metric="cosine", random_state=seed, n_jobs=1)
    return np.asarray(reducer.fit_transform(embeddings), dtype=np.float32)
