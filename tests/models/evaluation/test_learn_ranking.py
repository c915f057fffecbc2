"""Weights and calibration that are learned on one archive hold on another."""

from __future__ import annotations

import numpy as np

from models.bundle.card import EmbeddingRanking, MatcherCard
from models.bundle.ranking import matcher_ranking
from models.evaluation.learn_ranking import learn_ranking
from models.evaluation.learned_matcher import learned_platt, learned_weights
from models.evaluation.metrics.calibration import reliability
from models.evaluation.metrics.ranking import nearest
from models.evaluation.metrics.rerank import Weights
from models.evaluation.metrics.shortlists import RankedShortlists


def shortlists(seed: int, matcher: float | None) -> RankedShortlists:
    """240 images of 8 classes that query each other; the matcher's log-odds are right by `matcher` standard deviations."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(8), 30)
    rows = np.eye(8, 24)[labels] + random.normal(0, 0.28, (240, 24))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    own = np.arange(240)
    shortlist = nearest(rows, rows, 60, own=own)
    log_odds = None
    if matcher is not None:
        right = labels[shortlist.indices] == labels[:, None]
        log_odds = np.where(right, matcher, -matcher) + random.normal(size=right.shape)
    return RankedShortlists.of(rows, labels, rows, labels, shortlist, log_odds, own)


def test_a_useful_matcher_and_neighbours_get_weights() -> None:
    known, unseen, test = (shortlists(seed, 1.0) for seed in range(3))
    found = learn_ranking([known, unseen], [known, unseen], [test])
    assert found.weights.matcher > 0
    assert test.report([found.weights]).first_page_gain(*found.weights) > 0.02
    assert found.calibration.by_platt.error < 0.05
    written = {"fusion": found.fusion(), "calibration": found.matcher_calibration()}
    ranking = matcher_ranking(MatcherCard.model_validate({"map_shape": (4, 2, 2), "half_shape": (3, 2, 2), **written}))
    assert (learned_weights(ranking), ranking.depth) == (found.weights, 60)
    assert learned_platt(ranking) == found.calibration.platt
    pairs = test.pairs(found.weights)
    assert reliability(found.calibration.platt(pairs.logits), pairs.matches) == found.calibration.by_platt


def test_a_harmful_matcher_gets_none() -> None:
    harmful = shortlists(1, -2.0)
    assert learn_ranking([shortlists(0, 1.0), harmful], [harmful], [harmful]).weights.matcher == 0


def test_an_embedding_alone_gets_probabilities() -> None:
    known, test = shortlists(0, None), shortlists(1, None)
    found = learn_ranking([known], [known], [test])
    card = EmbeddingRanking.model_validate(found.ranking())
    assert found.weights == Weights(0, card.neighbours)
    assert card.neighbours > 0
    assert card.calibration is not None
    assert card.cosine_calibration is not None
    assert found.calibration.by_platt.error < 0.05
    pairs = test.pairs(Weights())
    assert reliability(found.cosine(pairs.logits), pairs.matches).error < 0.05
