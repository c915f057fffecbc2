"""The gate: compares the old and the new index with the same queries. Switches on evidence; otherwise a person decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.ports import JobContext, VectorStore
from app.services.reindex.judging.comparison import (
    Neighbours,
    chance_of_labels,
    compare_neighbours,
    precisions,
    share_of_known,
)
from app.services.reindex.judging.evaluation_queries import MAX_OTHERS, EvaluationTiles, read_tiles
from app.services.reindex.judging.evidence import QueryChanges, estimate_change
from app.services.reindex.judging.fold_heads import FoldHeads
from app.services.reindex.judging.verdict import Decision, Figures, Quality, Verdict, cannot_compare, decide, is_same
from app.services.reindex.replay import Replay, Replayed, Side
from app.services.reindex.spaces import Basis, Spaces, basis_of, make_spaces
from app.services.search.recent_queries import RecentQueries
from app.telemetry.metrics import GATE_VERDICTS

UNSEEN_LOSS = 0.3
"""Assumed loss of mean average precision of unseen labels per lost agreement, where too few labels exist to measure it."""


class Gate:
    """Compares indexes of one collection."""

    def __init__(self, vectors: VectorStore, recent: RecentQueries, heads: FoldHeads) -> None:
        self._vectors = vectors
        self._replay = Replay(vectors, recent)
        self._heads = heads

    def judge(self, collection_id: str, old: Side, new: Side, margin: float, *, folder: Path, context: JobContext) -> Verdict:
        """Compare both indexes with labelled tiles, unlabelled tiles and recent queries.

        margin: accepted loss of mean average precision. folder: for the files of a child process.

        Raises:
            Cancelled, Interrupted: the job has to stop. DyadError: heads cannot be fitted.
        """
        tiles = read_tiles(self._vectors, old.index, new.index)
        context.check()
        bases = [
            basis_of(side.model.card, rows, collection_id, self._heads) for side, rows in ((old, tiles.old), (new, tiles.new))
        ]
        queries = tiles.queries(tiles.held_out if any(basis.held_out_only for basis in bases) else None)
        asked = queries if len(queries) else np.arange(len(tiles.ids))
        replayed = self._replay.run(collection_id, old, new, [tiles.ids[row] for row in asked[:MAX_OTHERS]])
        figures = Figures(
            tiles=len(tiles.ids),
            queries=len(queries),
            places=len(np.unique(tiles.places.numbers[queries])),
            classes=int(tiles.labels[queries].any(axis=0).sum()),
            margin=margin,
            neighbours=compare_neighbours(tiles, np.arange(len(tiles.ids))[:MAX_OTHERS]),
            rest=compare_neighbours(tiles, tiles.others()),
            latency_ms=replayed.latency_ms,
            is_taught=bases[1] != Basis() and old.model.card.id != new.model.card.id,
        )
        if cannot_compare(figures) is None:
            figures = replace(figures, quality=self._measure(tiles, queries, bases, figures, folder, context))
        decision, reason = decide(figures)
        GATE_VERDICTS.labels(decision).inc()
        return Verdict(decision, reason, _numbers(decision, figures, replayed))

    def _measure(
        self,
        tiles: EvaluationTiles,
        queries: NDArray[np.intp],
        bases: Sequence[Basis],
        figures: Figures,
        folder: Path,
        context: JobContext,
    ) -> Quality:
        """The mean average precisions. No heads are fitted if both indexes give the same results."""
        if is_same(figures):
            bases = [Basis(), Basis()]
        old, new = (
            make_spaces(basis, tiles, rows, self._heads, folder / name, context)
            for basis, rows, name in zip(bases, (tiles.old, tiles.new), ("old", "new"), strict=True)
        )
        places = tiles.places.numbers[queries]
        before, after = (precisions(tiles, queries, side.by_place) for side in (old, new))
        known, unseen, share = QueryChanges(after - before, places), None, 1.0
        if bases[1].lineage is not None:
            share = share_of_known(tiles, queries)
            unseen = _unseen(tiles, queries, old, new, figures.rest)
        return Quality(
            learned=bases[1] != Basis(),
            old=float(np.nanmean(before)),
            new=float(np.nanmean(after)),
            known=known.mean,
            unseen=unseen if unseen is None or isinstance(unseen, float) else unseen.mean,
            share=share,
            change=estimate_change(known, known if unseen is None else unseen, share),
            chance=max(chance_of_labels(tiles, queries, side.by_place) for side in (old, new)),
        )


def _unseen(
    tiles: EvaluationTiles, queries: NDArray[np.intp], old: Spaces, new: Spaces, rest: Neighbours | None
) -> QueryChanges | float:
    """The changes of queries whose label is not learned; an assumed one with too few labels."""
    if old.by_label is None or new.by_label is None:
        return 0.0 if rest is None else -UNSEEN_LOSS * (1 - rest.agreement)
    before, after = (precisions(tiles, queries, space) for space in (old.by_label, new.by_label))
    return QueryChanges(after - before, tiles.places.numbers[queries])


def _numbers(decision: Decision, figures: Figures, replayed: Replayed) -> dict[str, Any]:
    """The figures as JSON."""
    quality, rest = figures.quality, figures.rest
    return {
        "verdict": decision,
        "tiles": figures.tiles,
        "golden_queries": figures.queries,
        "places": figures.places,
        "classes": figures.classes,
        "margin": figures.margin,
        "map": None if quality is None else {"old": round(quality.old, 4), "new": round(quality.new, 4)},
        "change": None if quality is None else {name: round(value, 4) for name, value in asdict(quality.change).items()},
        "learned": None if quality is None else quality.learned,
        "known_change": None if quality is None else round(quality.known, 4),
        "unseen_change": None if quality is None or quality.unseen is None else round(quality.unseen, 4),
        "known_share": None if quality is None else round(quality.share, 3),
        "label_chance": None if quality is None else round(quality.chance, 4),
        "overlap_at_10": replayed.overlap,
        "unlabelled_overlap_at_10": None if rest is None else round(rest.overlap, 4),
        "unlabelled_agreement": None if rest is None else round(rest.agreement, 4),
        "recent_queries": replayed.recent,
        "recent_overlap_at_10": replayed.recent_overlap,
        "latency_ms": replayed.latency_ms,
    }
