"""Where the results of a search match its first example, for `explain`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.domain.queries.search import Grid, Match, MatchPlaces
from app.ports import Inference, VectorStore

DECIMALS = 2


@dataclass(frozen=True, slots=True)
class Explained:
    """The matches, with places where the model shows them; otherwise unchanged, with a warning for the user."""

    matches: list[Match]
    warnings: tuple[str, ...] = ()


def explain(
    model: Inference, vectors: VectorStore, index: str, features: NDArray[np.float32], matches: Sequence[Match]
) -> Explained:
    """Add to each match where it and an example match. features: (P,) float32 query features of the example."""
    if not matches:
        return Explained([])
    pairs = vectors.retrieve_vectors(index, [match.tile.id for match in matches]).pair
    if pairs is None:
        return Explained(list(matches), ("explain: the index has tiles without candidate features; re-index the collection",))
    found = model.places(features, pairs)
    if found is None:
        return Explained(list(matches), (cannot_explain(model.card.id),))
    shown = [
        replace(match, places=MatchPlaces(_grid(query), _grid(candidate)))
        for match, query, candidate in zip(matches, *found, strict=True)
    ]
    return Explained(shown)


def cannot_explain(model_id: str) -> str:
    """The warning for a model whose matcher does not compare places, or that has none."""
    return f"explain: model {model_id!r} has no matcher that shows where tiles match; use a model with a correlation matcher"


NOT_RERANKED = "explain: the search is not re-ranked; add `rerank: true`"


def _grid(values: NDArray[np.float32]) -> Grid:
    """(h, w) numbers as rows."""
    return tuple(tuple(round(float(value), DECIMALS) for value in row) for row in values)
