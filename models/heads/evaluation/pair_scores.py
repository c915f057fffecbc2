"""Scores that a bundle's matcher gives to labelled tiles and their neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.bundle.card import ModelCard
from models.bundle.files import ENCODER_FILE
from models.bundle.runtime import OnnxEncoder, OnnxMatcher
from models.evaluation.errors import EvaluationError
from models.evaluation.metrics.calibration import ScoredPairs
from models.evaluation.metrics.ranking import Neighbours, nearest
from models.evaluation.metrics.relevance import LabelSets
from models.evaluation.metrics.rerank import WEIGHTS, RerankReport, two_stage
from models.heads.input_files import PairInputs
from models.heads.progress import ProgressCallback


class Ranked(NamedTuple):
    """Q queries among E tiles, and the matcher's scores of their first places.

    embeddings: (E, D). labels: of the E tiles. own: (Q,) rows of the queries among the tiles. shortlist: (Q, K), with indices
    of the tiles. log_odds: (Q, K).
    """

    embeddings: NDArray[np.float32]
    labels: LabelSets
    own: NDArray[np.intp]
    shortlist: Neighbours
    log_odds: NDArray[np.float32]

    @property
    def matches(self) -> NDArray[np.bool_]:
        """(Q, K) bool: whether the tile at a place shares a label with the query."""
        found, wanted = self.labels.flags[self.shortlist.indices], self.labels.flags[self.own]
        return np.asarray(np.any(found & wanted[:, np.newaxis], axis=2))

    def pairs(self, places: int | None = None) -> ScoredPairs:
        """Pairs of every query with each of its first `places`; None: all."""
        first = slice(None, places)
        return ScoredPairs(
            self.log_odds[:, first].ravel(), self.matches[:, first].ravel(), self.shortlist.similarities[:, first].ravel()
        )

    def reranked(self, weights: Sequence[float] = WEIGHTS) -> RerankReport | None:
        """Quality of the rankings for each weight of the matcher; None if no query shares a label with another tile."""
        try:
            return two_stage(
                self.embeddings[self.own],
                self.labels.take(self.own),
                self.embeddings,
                self.labels,
                self.shortlist,
                self.log_odds,
                weights=weights,
                own=self.own,
            )
        except EvaluationError:
            return None


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
    ) -> Ranked:
        """Rank all tiles for a sample of them as queries, and score the first `depth` places.

        places: (E,) of the tiles in the inputs, at least two. embeddings: (E, D). labels: of these tiles. queries: sample size.
        """
        own = np.sort(np.random.default_rng(seed).permutation(len(places))[:queries])
        shortlist = nearest(embeddings[own], embeddings, min(depth, len(places) - 1), own=own)
        log_odds = np.empty(shortlist.indices.shape, dtype=np.float32)
        for row, (query, found) in enumerate(zip(own, shortlist.indices, strict=True)):
            tile = self._inputs.pixels[places[query]][np.newaxis]
            features = self._matcher.query_features(self._encoder(tile, ("map",))["map"])[0]
            log_odds[row] = self._matcher.log_odds(features, self._inputs.pairs[places[found]])
            progress(100 * (row + 1) / len(own), "scoring pairs of labelled tiles")
        return Ranked(embeddings, labels, own, shortlist, log_odds)
