"""Shortlists of an encoder with the scores of a matcher."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.bundle.ranking import DEPTH
from models.data.samplers import Indices
from models.evaluation.metrics.ranking import nearest
from models.evaluation.metrics.shortlists import RankedShortlists
from models.matcher.kinds import PairNetwork
from models.matcher.quantise import Quantisation
from models.runs.inputs.material import Material
from models.runs.networks.train_embedder import TrainedEncoder
from models.runs.networks.train_matcher import shortlist_log_odds
from models.training.encoding import Encoded, encode_images


class EncodedSet(NamedTuple):
    """Encoded images. embeddings: (N, D). maps: (N, C, h, w) float16. labels: (N,) int64."""

    embeddings: NDArray[np.float32]
    maps: NDArray[np.float16]
    labels: Indices

    def take(self, rows: NDArray[np.intp] | Indices) -> EncodedSet:
        """Some of the images."""
        return EncodedSet(self.embeddings[rows], self.maps[rows], self.labels[rows])


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
) -> RankedShortlists:
    """Rank `database` (None: the other queries) by the embedding and score the first `depth` places with the matcher."""
    ranked = database or queries
    own = np.arange(len(queries.labels)) if database is None else None
    shortlist = nearest(queries.embeddings, ranked.embeddings, depth, own=own)
    log_odds = shortlist_log_odds(matcher, stored, queries.maps, ranked.maps, shortlist)
    return RankedShortlists.of(
        queries.embeddings, queries.labels, ranked.embeddings, ranked.labels, shortlist, log_odds, own=own
    )
