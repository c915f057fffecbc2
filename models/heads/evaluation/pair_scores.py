"""What a bundle's matcher says of labelled tiles and their neighbours."""

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
from models.heads.inputs import PairInputs
from models.heads.progress import ProgressCallback


class Ranked(NamedTuple):
    """Q queries among E tiles, and what the matcher says of their first places.

    embeddings: (E, D). labels: of E. own: (Q,) which of the tiles the queries are. shortlist: (Q, K), its indices of the E.
    log_odds: (Q, K).
    """

    embeddings: NDArray[np.float32]
    labels: LabelSets
    own: NDArray[np.intp]
    shortlist: Neighbours
    log_odds: NDArray[np.float32]

    @property
    def matches(self) -> NDArray[np.bool_]:
        """(Q, K): which places share a label with their query."""
        found, wanted = self.labels.flags[self.shortlist.indices], self.labels.flags[self.own]
        return np.asarray(np.any(found & wanted[:, np.newaxis], axis=2))

    def pairs(self, places: int | None = None) -> ScoredPairs:
        """Every query with each of its first `places`, None for all."""
        first = slice(None, places)
        return ScoredPairs(
            self.log_odds[:, first].ravel(), self.matches[:, first].ravel(), self.shortlist.similarities[:, first].ravel()
        )

    def reranked(self, weights: Sequence[float] = WEIGHTS) -> RerankReport | None:
        """What each weight of the matcher does to the rankings; None where no query shares a label with another tile."""
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
    """A bundle's matcher over the tiles whose pixels are known. It is the same for a model and all its heads."""

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
        """Rank tiles for some of themselves and score the first `depth` places.

        places: (E,) of the tiles in the inputs, at least two. embeddings: (E, D), labels: theirs. queries: how many ask.
        """
        own = np.sort(np.random.default_rng(seed).permutation(len(places))[:queries])
        shortlist = nearest(embeddings[own], embeddings, min(depth, len(places) - 1), own=own)
        log_odds = np.empty(shortlist.indices.shape, dtype=np.float32)
        for row, (query, found) in enumerate(zip(own, shortlist.indices, strict=True)):
            tile = self._inputs.pixels[places[query]][np.newaxis]
            features = self._matcher.query_features(self._encoder(tile, ("map",))["map"])[0]
            log_odds[row] = self._matcher.log_odds(features, self._inputs.pairs[places[found]])
            progress(100 * (row + 1) / len(own), "looking at pairs of labelled tiles")
        return Ranked(embeddings, labels, own, shortlist, log_odds)
