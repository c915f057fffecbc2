"""The matcher that Dyad ships: trained, calibrated and given its say, each on images that the step before did not see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.data.samplers import Indices
from models.evaluation.metrics.calibration import Calibration, ScoredPairs, calibrate
from models.evaluation.metrics.ranking import Neighbours, nearest
from models.evaluation.metrics.rerank import RerankReport, two_stage
from models.matcher.quantise import Quantisation
from models.matcher.split import SplitMatcher
from models.runs.inputs.material import Material
from models.runs.networks.embedder import TrainedEncoder
from models.runs.networks.matcher import shortlist_log_odds
from models.training.encoding import Encoded, encode_images

DEPTH = 100
"""Places that are re-ranked, and over whose pairs probabilities are calibrated."""


class Shown(NamedTuple):
    """Images as both networks see them. embeddings: (N, D). maps: (N, C, h, w) float16. labels: (N,) int64."""

    embeddings: NDArray[np.float32]
    maps: NDArray[np.float16]
    labels: Indices

    def take(self, rows: NDArray[np.intp] | Indices) -> Shown:
        """Some of them."""
        return Shown(self.embeddings[rows], self.maps[rows], self.labels[rows])


@dataclass(frozen=True, slots=True)
class Judged:
    """Queries, the first places of their rankings, and what the matcher says of them.

    database: None where the queries are ranked among themselves.
    """

    queries: Shown
    database: Shown | None
    shortlist: Neighbours
    log_odds: NDArray[np.float32]

    @property
    def pairs(self) -> ScoredPairs:
        """All pairs of a query with a place of its shortlist."""
        stored = (self.database or self.queries).labels[self.shortlist.indices]
        matches = stored == self.queries.labels[:, np.newaxis]
        return ScoredPairs(self.log_odds.ravel(), matches.ravel(), self.shortlist.similarities.ravel())

    def reranked(self) -> RerankReport:
        """What fusing does to the rankings, weight by weight."""
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


def show(encoded: Encoded, labels: Indices) -> Shown:
    """Encoded images with their labels. Raises ValueError where they were encoded without maps."""
    if encoded.maps is None:
        raise ValueError("a matcher looks at maps; encode with them")
    return Shown(encoded.embeddings, encoded.maps, labels)


def show_rows(trained: TrainedEncoder, material: Material, rows: Indices) -> Shown:
    """Some images of the material, at its size, as an encoder sees them."""
    encoded = encode_images(trained.encoder, trained.preparation, material.pixels, rows, with_maps=True)
    return show(encoded, material.labels[rows])


def judge(
    matcher: SplitMatcher, stored: Quantisation, queries: Shown, database: Shown | None = None, depth: int = DEPTH
) -> Judged:
    """Rank `database` (None: the other queries) by the embedding and let the matcher score the first `depth` places."""
    ranked = database or queries
    own = np.arange(len(queries.labels)) if database is None else None
    shortlist = nearest(queries.embeddings, ranked.embeddings, depth, own=own)
    return Judged(queries, database, shortlist, shortlist_log_odds(matcher, stored, queries.maps, ranked.maps, shortlist))


def calibrate_on(validation: list[Judged], test: list[Judged]) -> Calibration:
    """Fit to the pairs of some shortlists, measure on those of others."""
    return calibrate(_all_pairs(validation), _all_pairs(test))


def _all_pairs(judged: list[Judged]) -> ScoredPairs:
    pairs = [each.pairs for each in judged]
    similarities = [each.shortlist.similarities.ravel() for each in judged]
    return ScoredPairs(
        np.concatenate([p.logits for p in pairs]), np.concatenate([p.matches for p in pairs]), np.concatenate(similarities)
    )
