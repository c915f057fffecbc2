"""The weights and the probabilities of re-ranking for a new head, and the evidence that they need."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from models.bundle.card import EmbeddingRanking
from models.bundle.ranking import Ranking, matcher_ranking
from models.bundle.verify import read_card
from models.evaluation.metrics.calibration import Platt, reliability
from models.evaluation.metrics.relevance import LabelSets
from models.evaluation.metrics.rerank import Weights
from models.heads.evaluation.pair_scores import PairScorer, Surroundings, rank_tiles
from models.heads.evaluation.recalibrate import Fold, Recalibration, choose_weights, recalibrate
from models.heads.input_files import PairInputs
from tests.support.head_inputs import Workshop
from tests.support.tiles import CLASSES


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        ({0.02: 0.010, 0.1: 0.030}, {0.02: 0.010, 0.1: 0.020}, 0.1),  # clearly better
        ({0.02: 0.010, 0.1: 0.0101}, {0.02: 0.010, 0.1: 0.0102}, 0.02),  # hardly better: the base's stays
        ({0.02: 0.010, 0.1: 0.050}, {0.02: 0.010, 0.1: -0.010}, 0.02),  # loses on one
        ({0.02: -0.02, 0.1: 0.010}, {0.02: 0.010, 0.1: 0.010}, 0.1),  # the base's loses on one
        ({0.02: -0.02, 0.1: -0.03}, {0.02: -0.02, 0.1: -0.01}, 0.0),  # all lose
        ({0.02: 0.0, 0.1: 0.0}, {0.02: 0.0, 0.1: 0.0}, 0.02),  # nothing to gain
    ],
)
def test_the_weight_changes_only_for_a_reason(
    first: Mapping[float, float], second: Mapping[float, float], wanted: float
) -> None:
    gains = {Weights(weight): [first[weight], second[weight]] for weight in first}
    assert choose_weights(gains, base=Weights(0.02)) == Weights(wanted)


def _inputs(workshop: Workshop) -> PairInputs:
    rows = np.flatnonzero(workshop.tiles.labels.any(axis=1)).astype(np.int64)
    return PairInputs(rows, workshop.encoded.pairs[rows], workshop.tiles.pixels[rows])


def _recalibrate(
    workshop: Workshop, learning: NDArray[np.intp], *, has_matcher: bool = True, told: list[float] | None = None
) -> Recalibration:
    """Two folds of some labelled tiles, among the tiles without labels."""
    card, inputs = read_card(workshop.bundle), _inputs(workshop)
    assert card.matcher is not None
    unlabelled = np.flatnonzero(~workshop.tiles.labels.any(axis=1))
    encoded = workshop.encoded
    others = Surroundings(encoded.embeddings[unlabelled], encoded.pairs[unlabelled])
    folds = [
        Fold(encoded.embeddings[inputs.rows[own]], LabelSets(CLASSES, workshop.tiles.labels[inputs.rows[own]]), others, own)
        for own in (learning[::2], learning[1::2])
    ]
    scorer = PairScorer(workshop.bundle, card, inputs) if has_matcher else None
    base = matcher_ranking(card.matcher) if has_matcher else Ranking(neighbours=0.2, depth=80)
    return recalibrate(folds, base, scorer, 0, lambda percent, _: None if told is None else told.append(percent))


def test_probabilities_hold_on_other_tiles(workshop: Workshop) -> None:
    card, inputs = read_card(workshop.bundle), _inputs(workshop)
    told: list[float] = []
    found = _recalibrate(workshop, np.arange(60), told=told)
    assert told == sorted(told)
    assert (found.note, found.ranking) == ("", None)
    assert found.calibration is not None
    assert found.fusion is not None
    rest, unlabelled = np.arange(60, 90), np.flatnonzero(~workshop.tiles.labels.any(axis=1))
    encoded = workshop.encoded
    ranked = PairScorer(workshop.bundle, card, inputs).rank(
        rest,
        encoded.embeddings[inputs.rows[rest]],
        LabelSets(CLASSES, workshop.tiles.labels[inputs.rows[rest]]),
        others=Surroundings(encoded.embeddings[unlabelled], encoded.pairs[unlabelled]),
        queries=30,
        depth=100,
        seed=0,
        progress=lambda *_: None,
    )
    scores = ranked.scores(Weights(found.fusion["weight"], found.fusion["neighbours"]))
    platt = Platt(*(float(found.calibration[name]) for name in ("scale", "offset")))
    kinds = np.concatenate([inputs.rows[rest], unlabelled]) % len(CLASSES)  # also of the tiles without labels
    matches = kinds[ranked.shortlist.indices] == kinds[ranked.own, np.newaxis]
    assert abs(float(np.mean(platt(scores))) - float(np.mean(matches))) < 0.1


def test_few_pairs_teach_nothing(workshop: Workshop) -> None:
    for has_matcher in (True, False):
        found = _recalibrate(workshop, np.arange(8), has_matcher=has_matcher)
        assert (found.fusion, found.calibration, found.ranking, found.pairs) == (None, None, None, 0)
        assert "too few labelled tiles to recalibrate the ranking" in found.note
        assert "(20 needed)" in found.note


def test_a_model_without_a_matcher_gets_a_ranking_of_its_own(workshop: Workshop) -> None:
    found = _recalibrate(workshop, np.arange(90), has_matcher=False)
    assert (found.fusion, found.calibration, found.note) == (None, None, "")
    ranking = EmbeddingRanking.model_validate(found.ranking)
    assert ranking.depth == 80
    assert ranking.calibration is not None
    assert ranking.cosine_calibration is not None


def _clusters(random: np.random.Generator, centres: NDArray[np.float64], members: int, spread: float) -> NDArray[np.float32]:
    rows = np.repeat(centres, members, axis=0) + spread * random.standard_normal((len(centres) * members, centres.shape[1]))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def test_probabilities_are_those_of_a_crowded_archive() -> None:
    """Four of sixteen classes have labels, few tiles each; the share of matches in shortlists of the archive is very different
    from that among labelled tiles."""
    random = np.random.default_rng(3)
    centres = random.standard_normal((16, 24))
    archive = _clusters(random, centres, 40, 1.1)
    classes = np.repeat(np.arange(16), 40)
    is_labelled = (classes < 4) & (np.arange(640) % 40 < 20)
    labelled, others = archive[is_labelled], Surroundings(archive[~is_labelled])
    names = [str(number) for number in range(4)]
    labels = LabelSets(names, classes[is_labelled][:, np.newaxis] == np.arange(4))
    fold_of = np.arange(len(labelled)) % 2
    folds = [
        Fold(labelled[fold_of == fold], labels.take(np.flatnonzero(fold_of == fold)), others, np.zeros(0, np.intp))
        for fold in (0, 1)
    ]
    found = recalibrate(folds, Ranking(neighbours=0.8, depth=100), None, 0, lambda *_: None)
    assert found.ranking is not None
    truth = LabelSets([str(number) for number in range(16)], classes[:, np.newaxis] == np.arange(16))
    ranked = rank_tiles(archive, truth, queries=200, depth=100, seed=0)
    pairs = ranked.pairs(Weights(0.0, found.ranking["neighbours"]))
    fit = found.ranking["calibration"]
    assert reliability(Platt(fit["scale"], fit["offset"])(pairs.logits), pairs.matches).error < 0.1
