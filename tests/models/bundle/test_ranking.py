"""The ranking that a card defines: order and probability are one function."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from models.bundle.card import EmbeddingRanking, MatcherCard, ModelCard
from models.bundle.ranking import LEAST_SLOPE, UNLEARNED, Ranking, cosine_ranking, matcher_ranking, second_stage

OF_SCORE = "sigmoid(scale * score + offset)"


def matcher(**fields: Any) -> MatcherCard:
    return MatcherCard.model_validate({"map_shape": (4, 2, 2), "half_shape": (3, 2, 2), **fields})


def card(**fields: Any) -> ModelCard:
    return ModelCard.model_validate({"id": "m", "input_size": 32, "bands": ["grey"], "dimension": 8, **fields})


def test_the_current_form() -> None:
    fusion = {"weight": 0.1, "neighbours": 0.5, "depth": 60}
    found = matcher_ranking(matcher(fusion=fusion, calibration={"formula": OF_SCORE, "scale": 7, "offset": -4}))
    assert found == Ranking(0.1, 0.5, 60, 7, -4)
    score = found.scores(np.array([0.5]), np.array([2.0]), np.array([0.3]))
    assert score == pytest.approx(0.5 + 0.1 * 2 + 0.5 * 0.3)
    assert found.probabilities(score) == pytest.approx(1 / (1 + np.exp(-(7 * score - 4))))


def test_an_earlier_card_ranks_by_its_calibration() -> None:
    found = matcher_ranking(matcher(fusion={"weight": 0.02, "depth": 80}, calibration={"scale": 2, "slope": 5, "offset": -3}))
    log_odds, cosines = np.random.default_rng(0).normal(size=(2, 50))
    probabilities = found.probabilities(found.scores(cosines, log_odds))
    assert probabilities is not None
    np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-(2 * log_odds + 5 * cosines - 3))), rtol=1e-9)
    assert found.depth == 80


@pytest.mark.parametrize("slope", [0.0, -4.0, 1e-9])
def test_an_earlier_card_without_a_slope_ranks_by_log_odds(slope: float) -> None:
    found = matcher_ranking(matcher(calibration={"scale": 2, "slope": slope, "offset": -3}))
    log_odds = np.linspace(-3, 3, 40)
    cosines = np.random.default_rng(1).uniform(-1, 1, 40)
    scores = found.scores(cosines, log_odds)
    probabilities = found.probabilities(scores)
    assert probabilities is not None
    assert np.all(np.diff(scores) > 0)
    assert np.all(np.diff(probabilities) >= 0)
    assert probabilities is not None
    np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-(2 * log_odds - 3))), atol=LEAST_SLOPE)


def test_without_a_calibration_there_are_no_probabilities() -> None:
    assert matcher_ranking(matcher(fusion={"weight": 0.2, "depth": 9})) == Ranking(0.2, 0.0, 9)
    assert matcher_ranking(matcher()) == Ranking(UNLEARNED)
    assert Ranking(0.2).probabilities(np.zeros(3)) is None


def test_a_model_without_a_matcher() -> None:
    assert second_stage(card()) is None
    assert cosine_ranking(card()) is None
    of_score, of_cosine = ({"formula": OF_SCORE, "scale": scale, "offset": -1} for scale in (3, 4))
    both = card(ranking={"neighbours": 0.4, "depth": 50, "calibration": of_score, "cosine_calibration": of_cosine})
    assert second_stage(both) == Ranking(0, 0.4, 50, 3, -1)
    assert cosine_ranking(both) == Ranking(0, 0, 50, 4, -1)
    assert cosine_ranking(card(ranking={"neighbours": 0.4, "calibration": of_score})) is None
    assert cosine_ranking(card(ranking={"calibration": of_score})) == Ranking(0, 0, 100, 3, -1)


def test_the_matcher_comes_first() -> None:
    found = second_stage(card(matcher=matcher(fusion={"weight": 0.3}).model_dump(), ranking={"neighbours": 0.4}))
    assert found == Ranking(0.3)


def test_cards_that_contradict_themselves_are_refused() -> None:
    with pytest.raises(ValidationError, match="needs `fusion`"):
        matcher(calibration={"formula": OF_SCORE, "scale": 1})
    with pytest.raises(ValidationError, match="`slope` is not part"):
        matcher(fusion={"weight": 1}, calibration={"formula": OF_SCORE, "slope": 1})
    with pytest.raises(ValidationError, match="needs the formula"):
        EmbeddingRanking.model_validate({"calibration": {"scale": 2}})
    with pytest.raises(ValidationError, match="neighbours"):
        EmbeddingRanking.model_validate({"neighbours": -0.1})


def test_probabilities_ascend_with_the_score_and_stay_finite() -> None:
    scores = np.concatenate([[-1e12], np.linspace(-30, 30, 500), [1e12]])
    for scale in (1e-3, 1.0, 1e6):
        found = Ranking(scale=scale, offset=2.0).probabilities(scores)
        assert found is not None
        assert np.all(np.diff(found) >= 0)
        assert (found[0], found[-1]) == (0, 1)
