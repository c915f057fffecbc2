"""Shortlists of an encoder with the scores of a matcher: their pairs, re-rankings and calibration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.data.samplers import Indices
from models.evaluation.metrics.calibration import Calibration, ScoredPairs, calibrate
from models.evaluation.metrics.ranking import Neighbours, nearest
from models.evaluation.metrics.rerank import RerankReport, two_stage
from models.matcher.kinds import PairNetwork
from models.matcher.quantise import Quantisation
from models.runs.inputs.material import Material
from models.runs.networks.train_embedder import TrainedEncoder
from models.runs.networks.train_matcher import shortlist_log_odds
from models.training.encoding import Encoded, encode_images

DEPTH = 100
"""Number of places that are re-ranked and whose pairs calibrate the probabilities."""


class EncodedSet(NamedTuple):
    """Encoded images. embeddings: (N, D). maps: (N, C, h, w) float16. labels: (N,) int64."""

    embeddings: NDArray[np.float32]
    maps: NDArray[np.float16]
    labels: Indices

    def take(self, rows: NDArray[np.intp] | Indices) -> EncodedSet:
        """Some of the images."""
        return EncodedSet(self.embeddings[rows], self.maps[rows], self.labels[rows])


@dataclass(frozen=True, slots=True)
class ScoredShortlists:
    """Queries, the first places of their rankings, and the matcher's log-odds for them.

    database: None if the queries are ranked among themselves.
    """

    queries: EncodedSet
    database: EncodedSet | None
    shortlist: Neighbours
    log_odds: NDArray[np.float32]

    @property
    def pairs(self) -> ScoredPairs:
        """All pairs of a query with an item of its shortlist."""
        stored = (self.database or self.queries).labels[self.shortlist.indices]
        matches = stored == self.queries.labels[:, np.newaxis]
        return ScoredPairs(self.log_odds.ravel(), matches.ravel(), self.shortlist.similarities.ravel())

    def reranked(self) -> RerankReport:
        """Quality of the fused rankings by weight of the matcher."""
        database = self.database or self.queries
        own = np.arange(len(self.queries.labels)) if self.database is None else None
        return two_stage(
            self.queries.embeddings,
            self.queries.labels,
            database.embeddings,
            database.labels,
            self.shortlist,
            self.log_odds,
            own=own,
        )


def encoded_set(encoded: Encoded, labels: Indices) -> EncodedSet:
    """Encoded images with their labels. Raises ValueError if they were encoded without maps."""
    if encoded.maps is None:
        raise ValueError("a matcher needs maps; encode with with_maps=True")
    return EncodedSet(encoded.embeddings, encoded.maps, labels)


def encode_rows(trained: TrainedEncoder, material: Material, rows: Indices) -> EncodedSet:
    """Encode some of the images at their size."""
    encoded = encode_images(trained.encoder, trained.preparation, material.pixels, rows, with_maps=True)
    return encoded_set(encoded, material.labels[rows])


def score_shortlists(
    matcher: PairNetwork, stored: Quantisation, queries: EncodedSet, database: EncodedSet | None = None, depth: int = DEPTH
) -> ScoredShortlists:
    """Rank `database` (None: the other queries) by the embedding and score the first `depth` places with the matcher."""
    ranked = database or queries
    own = np.arange(len(queries.labels)) if database is None else None
    shortlist = nearest(queries.embeddings, ranked.embeddings, depth, own=own)
    return ScoredShortlists(
        queries, database, shortlist, shortlist_log_odds(matcher, stored, queries.maps, ranked.maps, shortlist)
    )


def calibrate_on(validation: list[ScoredShortlists], test: list[ScoredShortlists]) -> Calibration:
    """Fit to the pairs of the validation shortlists, measure on those of the test shortlists."""
    return calibrate(_all_pairs(validation), _all_pairs(test))


def _all_pairs(scored: list[ScoredShortlists]) -> ScoredPairs:
    pairs = [each.pairs for each in scored]
    similarities = [each.shortlist.similarities.ravel() for each in scored]
    return ScoredPairs(
        np.concatenate([p.logits for p in pairs]), np.concatenate([p.matches for p in pairs]), np.concatenate(similarities)
    )
