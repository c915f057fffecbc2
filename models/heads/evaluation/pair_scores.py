"""Rankings of labelled tiles, with the scores of a bundle's matcher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

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


def rank_tiles(embeddings: NDArray[np.float32], labels: LabelSets, *, queries: int, depth: int, seed: int) -> RankedShortlists:
    """Rank all tiles by the embedding for a sample of them as queries.

    embeddings: (E, D), at least two. labels: of these tiles. queries: sample size. depth: length of the shortlists.
    """
    own = np.sort(np.random.default_rng(seed).permutation(len(embeddings))[:queries])
    shortlist = nearest(embeddings[own], embeddings, min(depth, len(embeddings) - 1), own=own)
    return RankedShortlists.of(embeddings[own], labels.take(own), embeddings, labels, shortlist, own=own)


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
        queries: int,
        depth: int,
        seed: int,
        progress: ProgressCallback,
    ) -> RankedShortlists:
        """`rank_tiles` with the matcher's log-odds. places: (E,) of the tiles in the inputs."""
        ranked = rank_tiles(embeddings, labels, queries=queries, depth=depth, seed=seed)
        own, shortlist = np.asarray(ranked.own), ranked.shortlist
        log_odds = np.empty(shortlist.indices.shape, dtype=np.float32)
        for row, (query, found) in enumerate(zip(own, shortlist.indices, strict=True)):
            tile = self._inputs.pixels[places[query]][np.newaxis]
            features = self._matcher.query_features(self._encoder(tile, ("map",))["map"])[0]
            log_odds[row] = self._matcher.log_odds(features, self._inputs.pairs[places[found]])
            progress(100 * (row + 1) / len(own), "scoring pairs of labelled tiles")
        return replace(ranked, log_odds=log_odds)
