"""Encode images and score pairs with a bundle's ONNX graphs, as the service does. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.bundle.card import ModelCard
from models.bundle.files import ENCODER_FILE
from models.bundle.runtime import OnnxEncoder, OnnxMatcher
from models.data.samplers import Indices
from models.evaluation.metrics.ranking import Neighbours, nearest
from models.evaluation.metrics.rerank import score_shortlist
from models.evaluation.metrics.shortlists import RankedShortlists
from models.evaluation.protocols import Selection
from models.runs.progress_output import Count

PART = 128
"""Images encoded between two progress reports."""


@dataclass(frozen=True, slots=True)
class EncodedImages:
    """embeddings: (N, D) float32, L2-normalised. With a matcher also query_features: (Q, P) float32 of the queries, and pairs:
    (N, P) uint8, the stored candidate features of all images."""

    embeddings: NDArray[np.float32]
    query_features: NDArray[np.float32] | None = None
    pairs: NDArray[np.uint8] | None = None


def encode_with_bundle(
    folder: Path, card: ModelCard, pixels: NDArray[np.uint8], queries: Indices, *, threads: int, count: Count
) -> EncodedImages:
    """Encode all of `pixels`.

    pixels: (N, S, S, B) uint8. queries: (Q,) rows, ascending. threads: 0 for all cores. count: called with (done, total).
    """
    scale = card.scaling
    encoder = OnnxEncoder(folder / ENCODER_FILE, scale.mean, scale.std, threads=threads)
    matcher = None if card.matcher is None else OnnxMatcher(folder, threads=threads)
    outputs = ("embedding",) if matcher is None else ("embedding", "pair", "map")
    embeddings, query_features, pairs = [], [], []
    for start in range(0, len(pixels), PART):
        found = encoder(pixels[start : start + PART], outputs)
        embeddings.append(found["embedding"])
        if matcher is not None:
            pairs.append(found["pair"])
            own = queries[(queries >= start) & (queries < start + PART)] - start
            if len(own):
                query_features.append(matcher.query_features(found["map"][own]))
        count(min(start + PART, len(pixels)), len(pixels))
    if matcher is None:
        return EncodedImages(np.concatenate(embeddings))
    return EncodedImages(np.concatenate(embeddings), np.concatenate(query_features), np.concatenate(pairs))


def maps_with_bundle(folder: Path, card: ModelCard, pixels: NDArray[np.uint8], *, threads: int) -> NDArray[np.float32]:
    """(N, C, h, w) feature maps, the input of the bundle's matcher, of (N, S, S, B) uint8 images."""
    scale = card.scaling
    encoder = OnnxEncoder(folder / ENCODER_FILE, scale.mean, scale.std, threads=threads)
    return np.asarray(encoder(pixels, ("map",))["map"], np.float32)


def shortlists_with_bundle(
    folder: Path,
    encoded: EncodedImages,
    labels: NDArray[np.str_],
    selection: Selection,
    depth: int,
    *,
    threads: int,
    count: Count,
) -> RankedShortlists:
    """The first `depth` places of each query, with the matcher's log-odds if the images were encoded with one.

    labels: (N,) of the encoded images. selection: which of them are queries, and which are ranked.
    """
    queries, database = encoded.embeddings[selection.queries], encoded.embeddings[selection.database]
    shortlist = nearest(queries, database, depth, own=selection.own)
    log_odds = None
    if encoded.pairs is not None:
        log_odds = shortlist_log_odds(folder, encoded, selection.database, shortlist, threads=threads, count=count)
    named = labels[selection.queries], labels[selection.database]
    return RankedShortlists.of(queries, named[0], database, named[1], shortlist, log_odds, selection.own)


def shortlist_log_odds(
    folder: Path, encoded: EncodedImages, database: Indices, shortlist: Neighbours, *, threads: int, count: Count
) -> NDArray[np.float32]:
    """(Q, K) log-odds of a match for every query and each of its neighbours, by the bundle's matcher.

    database: (M,) rows of the images that the shortlist's indices refer to.
    """
    matcher, query_features, pairs = OnnxMatcher(folder, threads=threads), encoded.query_features, encoded.pairs
    if query_features is None or pairs is None:
        raise ValueError("the images were encoded without a matcher")
    total = len(query_features)

    def score(queries: NDArray[np.intp], items: NDArray[np.intp]) -> NDArray[np.float32]:
        count(int(queries[-1]) + 1, total)
        parts = (database[items[queries == query]] for query in np.unique(queries))
        found = [
            matcher.log_odds(query_features[query], pairs[rows]) for query, rows in zip(np.unique(queries), parts, strict=True)
        ]
        return np.concatenate(found)

    return score_shortlist(shortlist, score)
