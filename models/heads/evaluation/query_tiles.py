"""Choice of the labelled tiles that query in an evaluation; without those that the model was trained on, if possible."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.bundle.terms import recorded_terms
from models.evaluation.metrics.relevance import LabelSets
from models.evaluation.protocols import Protocol
from models.heads.errors import HeadError
from models.heads.input_files import Inputs

MOST_TILES = 3000
"""Maximum number of query tiles, which is enough for every measure."""
_RANKED = "each queries all others; only these are ranked; tiles that share a label are relevant"
_ALL = Protocol(
    "labelled tiles", 0.0, "test", f"labelled tiles of the collection, whose labels the model was not trained on: {_RANKED}"
)
_HELD_OUT = Protocol("held-out tiles", 0.0, "test", f"labelled tiles that are held out of all training: {_RANKED}")
_TRAINED_ON = Protocol("labelled tiles", 0.0, "test", f"labelled tiles of the collection, including training tiles: {_RANKED}")


@dataclass(frozen=True, slots=True)
class QueryTiles:
    """Tiles that query. rows: (M,) of the N tiles, ascending. labels: of these tiles. primary: (M,) the rarest label of each.
    several: number of tiles with more than one label. warnings: reasons why the results may be too optimistic."""

    rows: NDArray[np.intp]
    labels: LabelSets
    primary: NDArray[np.str_]
    several: int
    protocol: Protocol
    warnings: tuple[str, ...]


def choose_query_tiles(inputs: Inputs) -> QueryTiles:
    """All labelled tiles if the model was not trained on this collection, otherwise the held-out ones.

    The card of a model lists the collections that it was trained on. If too few tiles are held out, all labelled tiles query,
    with a warning.

    Raises:
        HeadError: no two labelled tiles share a label.
    """
    every = np.flatnonzero(inputs.is_labelled)
    if not _can_query(inputs, every):
        raise HeadError("no queries: at least two labels need two tiles each. Label more tiles")
    if inputs.manifest.collection not in {each.name for each in recorded_terms(inputs.card).training_sets}:
        return _query_tiles(inputs, every, _ALL)
    held_out = np.flatnonzero(inputs.is_labelled & inputs.held_out)
    if _can_query(inputs, held_out):
        return _query_tiles(inputs, held_out, _HELD_OUT)
    warning = (
        f"the model was trained on labels of this collection, and the {len(held_out)} held-out tiles are too few to evaluate "
        "on: the results are too optimistic"
    )
    return _query_tiles(inputs, every, _TRAINED_ON, warning)


def _can_query(inputs: Inputs, rows: NDArray[np.intp]) -> bool:
    """Whether two labels have two tiles each: with a single label every result would be relevant."""
    return bool((inputs.labels[rows].sum(axis=0) >= 2).sum() >= 2)


def _query_tiles(inputs: Inputs, rows: NDArray[np.intp], protocol: Protocol, *warnings: str) -> QueryTiles:
    rows = np.sort(np.random.default_rng(inputs.manifest.seed).permutation(rows)[:MOST_TILES])
    labels = inputs.label_sets(rows)
    counts = labels.flags.sum(axis=0)
    rarest = np.where(labels.flags, counts, len(rows) + 1).argmin(axis=1)
    primary = np.asarray(labels.names, dtype=np.str_)[rarest]
    several = int(np.count_nonzero(labels.flags.sum(axis=1) > 1))
    return QueryTiles(rows, labels, primary, several, protocol, warnings)
