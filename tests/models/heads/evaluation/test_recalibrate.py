"""The weight of re-ranking for a new head, and what it takes to learn anything."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from models.bundle.card import EmbeddingRanking
from models.bundle.ranking import Ranking
from models.bundle.verify import read_card
from models.evaluation.metrics.calibration import Platt
from models.evaluation.metrics.relevance import LabelSets
from models.evaluation.metrics.rerank import Quality, RerankReport, Weights
from models.heads.evaluation.pair_scores import PairScorer
from models.heads.evaluation.recalibrate import choose_weights, recalibrate, recalibrate_embedding
from models.heads.input_files import PairInputs
from tests.support.head_inputs import Workshop
from tests.support.tiles import CLASSES


def _report(gains: Mapping[float, float]) -> RerankReport:
    after = {Weights(weight): Quality(0.5, 0.5, *[0.5 + gain] * 3) for weight, gain in gains.items()}
    return RerankReport(20, 100, Quality(*[0.5] * 5), after)


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        ({0.02: 0.010, 0.1: 0.030}, {0.02: 0.010, 0.1: 0.020}, 0.1),  # clearly better
        ({0.02: 0.010, 0.1: 0.0101}, {0.02: 0.010, 0.1: 0.0102}, 0.02),  # hardly better: the base's stays
        ({0.02: 0.010, 0.1: 0.050}, {0.02: 0.010, 0.1: -0.010}, 0.02),  # loses on one
        ({0.02: -0.02, 0.1: 0.010}, {0.02: 0.010, 0.1: 0.010}, 0.1),  # the base's loses on one
        ({0.02: -0.02, 0.1: -0.03}, {0.02: -0.02, 0.1: -0.01}, 0.0),  # all lose
        ({0.02: 0.0, 0.1: 0.0}, {0.02: 0.0, 0.1: 0.0}, 0.02),  # nothing to progress
    ],
)
def test_the_weight_changes_only_for_a_reason(first: dict[float, float], second: dict[float, float], wanted: float) -> None:
    assert choose_weights([_report(first), _report(second)], base=Weights(0.02)) == Weights(wanted)


def _inputs(workshop: Workshop) -> PairInputs:
    rows = np.flatnonzero(workshop.tiles.labels.any(axis=1)).astype(np.int64)
    return PairInputs(rows, workshop.encoded.pairs[rows], workshop.tiles.pixels[rows])


def test_probabilities_hold_on_other_tiles(workshop: Workshop) -> None:
    card, inputs = read_card(workshop.bundle), _inputs(workshop)
    assert card.matcher is not None
    scorer = PairScorer(workshop.bundle, card, inputs)
    labels = LabelSets(CLASSES, workshop.tiles.labels[inputs.rows])
    embeddings = workshop.encoded.embeddings[inputs.rows]
    learning = np.arange(60)
    told: list[float] = []
    found = recalibrate(
        scorer,
        card.matcher,
        learning,
        embeddings[learning],
        labels.take(learning),
        learning % 2,
        120,
        0,
        lambda percent, _: told.append(percent),
    )
    assert told == sorted(told)
    assert found.calibration is not None
    assert found.note == ""
    others = np.arange(60, 90)
    ranked = scorer.rank(
        others, embeddings[others], labels.take(others), queries=30, depth=100, seed=0, progress=lambda *_: None
    )
    assert found.fusion is not None
    weights = Weights(found.fusion["weight"], found.fusion["neighbours"])
    pairs = ranked.pairs(weights)
    platt = Platt(*(float(found.calibration[name]) for name in ("scale", "offset")))
    assert abs(float(np.mean(platt(pairs.logits))) - float(np.mean(pairs.matches))) < 0.1
    assert len(ranked.pairs(weights, 3).logits) == 3 * 30


def test_few_pairs_teach_nothing(workshop: Workshop) -> None:
    card, inputs = read_card(workshop.bundle), _inputs(workshop)
    assert card.matcher is not None
    scorer = PairScorer(workshop.bundle, card, inputs)
    few = np.arange(6)
    labels = LabelSets(CLASSES, workshop.tiles.labels[inputs.rows[few]])
    found = recalibrate(
        scorer, card.matcher, few, workshop.encoded.embeddings[inputs.rows[few]], labels, few % 2, 120, 0, lambda *_: None
    )
    assert (found.fusion, found.calibration, found.pairs) == (None, None, 0)
    assert "4 tiles share a label with another (20 needed), and there are 4 pairs of the rarer kind (25 needed)" in found.note


def test_a_model_without_a_matcher_gets_a_ranking_of_its_own(workshop: Workshop) -> None:
    rows = np.flatnonzero(workshop.tiles.labels.any(axis=1)).astype(np.int64)[:90]
    labels = LabelSets(CLASSES, workshop.tiles.labels[rows])
    embeddings = workshop.encoded.embeddings[rows]
    found = recalibrate_embedding(Ranking(neighbours=0.2, depth=80), embeddings, labels, np.arange(90) % 2, 120, 0)
    assert (found.fusion, found.calibration, found.note) == (None, None, "")
    ranking = EmbeddingRanking.model_validate(found.ranking)
    assert ranking.depth == 80
    assert ranking.calibration is not None
    assert ranking.cosine_calibration is not None
    few = recalibrate_embedding(Ranking(), embeddings[:6], labels.take(np.arange(6)), np.arange(6) % 2, 120, 0)
    assert few.ranking is None
    assert "too few labelled tiles" in few.note
