"""Rankings of labelled tiles, with the scores of a bundle's matcher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.bundle.card import ModelCard
from models.bundle.files import ENCODER_FILE
from models.bundle.runtime import OnnxEncoder, OnnxMatcher
from models.evaluation.errors import EvaluationError
from models.evaluation.metrics.ranking import nearest
from models.evaluation.metrics.relevance import LabelSets
from models.evaluation.metrics.rerank import RerankReport, Weights
from models.evaluation.metrics.shortlists import RankedShortlists
from models.heads.input_files import PairInputs
from models.heads.progress import ProgressCallback


def reranked(shortlists: RankedShortlists, weights: Sequence[Weights]) -> RerankReport | None:
    """Quality of the rankings for each of the weights; None if no query shares a label with another tile."""
    try:
        return shortlists.report(weights)
    except EvaluationError:
        return None


class Surroundings(NamedTuple):
    """Unlabelled tiles that are ranked with the labelled ones. embeddings: (A, D). pairs: (A, P) uint8, None without a
    matcher."""

    embeddings: NDArray[np.float32]
    pairs: NDArray[np.uint8] | None = None


def rank_tiles(
    embeddings: NDArray[np.float32],
    labels: LabelSets,
    *,
    others: NDArray[np.float32] | None = None,
    queries: int,
    depth: int,
    seed: int,
) -> RankedShortlists:
    """Rank all tiles by the embedding for a sample of the labelled ones as queries.

    embeddings: (E, D), at least two. labels: of these tiles. others: (A, D), tiles without labels, which follow in the
    database. queries: sample size. depth: length of the shortlists.
    """
    own = np.sort(np.random.default_rng(seed).permutation(len(embeddings))[:queries])
    database, known = embeddings, labels
    if others is not None:
        database = np.concatenate([embeddings, others])
        known = LabelSets(labels.names, np.concatenate([labels.flags, np.zeros((len(others), len(labels.names)), np.bool_)]))
    shortlist = nearest(database[own], database, min(depth, len(database) - 1), own=own)
    return RankedShortlists.of(database[own], labels.take(own), database, known, shortlist, own=own)


class PairScorer:
    """Scores pairs with a bundle's matcher, which is the same for a model and all heads trained on it."""

    def __init__(self, bundle: Path, card: ModelCard, inputs: PairInputs) -> None:
        self._matcher = OnnxMatcher(bundle, threads=1)
        self._encoder = OnnxEncoder(bundle / ENCODER_FILE, card.scaling.mean, card.scaling.std, threads=1)
        self._inputs = inputs

    def rank(
        self,
        places: NDArray[np.intp],
        embeddings: NDArray[np.float32],
        labels: LabelSets,
        *,
        others: Surroundings | None = None,
        queries: int,
        depth: int,
        seed: int,
        progress: ProgressCallback,
    ) -> RankedShortlists:
        """`rank_tiles` with the matcher's log-odds. places: (E,) of the labelled tiles in the inputs."""
        unlabelled = None if others is None else others.embeddings
        ranked = rank_tiles(embeddings, labels, others=unlabelled, queries=queries, depth=depth, seed=seed)
        pairs = self._inputs.pairs[places]
        if others is not None and others.pairs is not None:
            pairs = np.concatenate([pairs, others.pairs])
        own, shortlist = np.asarray(ranked.own), ranked.shortlist
        log_odds = np.empty(shortlist.indices.shape, dtype=np.float32)
        for row, (query, found) in enumerate(zip(own, shortlist.indices, strict=True)):
            tile = self._inputs.pixels[places[query]][np.newaxis]
            features = self._matcher.query_features(self._encoder(tile, ("map",))["map"])[0]
            log_odds[row] = self._matcher.log_odds(features, pairs[found])
            progress(100 * (row + 1) / len(own), "scoring pairs of labelled tiles")
        return replace(ranked, log_odds=log_odds)
