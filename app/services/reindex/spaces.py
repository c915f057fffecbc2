"""The embeddings in which the gate evaluates the queries of an index: never by a model that learned the query's label."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.ports import JobContext
from app.services.reindex.judging.comparison import Space
from app.services.reindex.judging.evaluation_queries import EvaluationTiles, IndexRows
from app.services.reindex.judging.fold_heads import FoldExamples, FoldHeads, learned_from
from app.services.reindex.judging.folds import PLACE_FOLDS, folds_by_label, folds_by_place, uses_by_label, uses_by_place
from models.bundle.card import ModelCard


@dataclass(frozen=True, slots=True)
class Basis:
    """How an index can be evaluated. lineage: of a head that learned from the collection, to be cross-fitted; None: the index
    is evaluated as it is. held_out_only: only tiles that are held out of all training may query.
    """

    lineage: list[ModelCard] | None = None
    held_out_only: bool = False


@dataclass(frozen=True, slots=True)
class Spaces:
    """Embeddings for evaluation. by_place: the query's place was not learned. by_label: no tile with the query's label was
    learned; None with too few labels. Both are the index's own embeddings if its model did not learn from the collection.
    """

    by_place: Space
    by_label: Space | None


def basis_of(card: ModelCard, rows: IndexRows, collection_id: str, heads: FoldHeads) -> Basis:
    """How an index of a collection can be evaluated. rows: of the evaluation tiles in it."""
    if not learned_from(card, collection_id):
        return Basis()
    lineage = heads.lineage(card, collection_id)
    if lineage is None or rows.features is None:
        return Basis(held_out_only=True)
    return Basis(lineage)


def make_spaces(
    basis: Basis, tiles: EvaluationTiles, rows: IndexRows, heads: FoldHeads, folder: Path, context: JobContext
) -> Spaces:
    """The embeddings for the evaluation of an index.

    Raises:
        Cancelled, Interrupted: the job has to stop. DyadError: heads cannot be fitted.
    """
    if basis.lineage is None or rows.features is None:
        own = Space.of(rows.embeddings)
        return Spaces(own, own)
    places, labels = folds_by_place(tiles), folds_by_label(tiles)
    uses = []
    for card in basis.lineage[1:]:
        learned = tiles.is_labelled & heads.learned_tiles(card, tiles.ids, folder)
        uses.append(np.concatenate([uses_by_place(tiles, places, learned), uses_by_label(tiles, labels, learned)]))
    unlabelled: NDArray[np.intp] = np.flatnonzero(~tiles.is_labelled & ~tiles.held_out)
    made = heads.fit(basis.lineage, FoldExamples(rows.features, tiles.labels, unlabelled, np.stack(uses)), folder, context)
    by_place, by_label = made[:PLACE_FOLDS], made[PLACE_FOLDS:]
    return Spaces(Space(by_place, places), Space(by_label, labels) if by_label else None)
