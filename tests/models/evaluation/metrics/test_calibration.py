from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.calibration import calibration_curve  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.metrics import log_loss  # type: ignore[import-untyped]

from models.evaluation.errors import EvaluationError
from models.evaluation.metrics.calibration import (
    Platt,
    ScoredPairs,
    calibrate,
    fit_isotonic,
    fit_platt,
    reliability,
    shift_prior,
)


def pairs(count: int, seed: int, overconfidence: float = 1.0) -> ScoredPairs:
    """Pairs that match with the probability of their logit, which is then exaggerated."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, count)
    return ScoredPairs(logits * overconfidence, random.random(count) < 1 / (1 + np.exp(-logits)))


def test_bins_and_losses_agree_with_scikit_learn() -> None:
    some = pairs(500, 0, 3)
    given = Platt()(some.logits)
    found = reliability(given, some.matches, bins=10)
    shares, means = calibration_curve(some.matches, given, n_bins=10)
    np.testing.assert_allclose([each.matches for each in found.bins], shares)
    np.testing.assert_allclose([each.probability for each in found.bins], means)
    assert found.log_loss == pytest.approx(log_loss(some.matches, given))


def test_expected_calibration_error_by_hand() -> None:
    # Bins 0..0.5 and 0.5..1: two pairs at a mean of 0.2 of which half match, two at 0.9 which both do: (0.3 + 0.1) / 2.
    found = reliability([0.1, 0.3, 0.8, 1.0], [True, False, True, True], bins=2)
    assert found.error == pytest.approx(0.2)
    assert [each.pairs for each in found.bins] == [2, 2]


def test_platt_undoes_exaggeration_and_a_shift() -> None:
    exaggerated = pairs(20_000, 1, 3)
    assert fit_platt(exaggerated).scale == pytest.approx(1 / 3, rel=0.05)
    shifted = fit_platt(ScoredPairs(exaggerated.logits + 1.5, exaggerated.matches))
    assert shifted.offset == pytest.approx(-0.5, abs=0.05)


def test_platt_is_what_scikit_learn_finds() -> None:
    some = pairs(300, 3, 2)
    expected = LogisticRegression(C=np.inf, tol=1e-8).fit(some.logits[:, None], some.matches)
    found = fit_platt(some)
    assert found.scale == pytest.approx(float(expected.coef_[0, 0]), rel=1e-3)
    assert found.offset == pytest.approx(float(expected.intercept_[0]), abs=1e-3)


def test_a_fit_of_the_fused_score_holds_where_matches_are_rarer() -> None:
    def shortlist(seed: int, share: float, weight: float) -> ScoredPairs:
        random = np.random.default_rng(seed)
        cosines = random.normal(share, 0.2, 20_000)
        logits = random.normal(0, 1, 20_000)
        return ScoredPairs(weight * cosines + logits, random.random(20_000) < 1 / (1 + np.exp(-(logits + 6 * cosines - 3))))

    fused = calibrate(shortlist(8, 0.3, 6), shortlist(9, 0.7, 6))
    alone = calibrate(shortlist(8, 0.3, 0), shortlist(9, 0.7, 0))
    assert fused.platt.scale == pytest.approx(1, rel=0.1)
    assert fused.by_platt.error < 0.02
    assert alone.by_platt.error > 0.1


@pytest.mark.parametrize(("factor", "shift"), [(1.0, 0.0), (0.02, 0.9), (50.0, -400.0)])
def test_a_fit_does_not_depend_on_the_unit_of_the_score(factor: float, shift: float) -> None:
    some = pairs(5000, 7)
    found = fit_platt(ScoredPairs(factor * some.logits + shift, some.matches))
    np.testing.assert_allclose(found(factor * some.logits + shift), fit_platt(some)(some.logits), atol=1e-3)


def test_a_fit_is_shifted_to_another_share_of_matches() -> None:
    random = np.random.default_rng(5)

    def draw(matching: int, other: int) -> ScoredPairs:
        scores = np.concatenate([random.normal(1.5, 1, matching), random.normal(-0.5, 1, other)])
        return ScoredPairs(scores, np.arange(matching + other) < matching)

    many, few = draw(8000, 2000), draw(1000, 9000)
    fit = fit_platt(many)
    assert reliability(fit(few.logits), few.matches).error > 0.15
    shifted = shift_prior(fit, 0.8, few.logits)
    assert shifted.scale == fit.scale
    assert shifted.offset - fit.offset == pytest.approx(np.log(0.1 / 0.9) - np.log(0.8 / 0.2), abs=0.2)
    assert reliability(shifted(few.logits), few.matches).error < 0.02
    unshifted = shift_prior(fit, 0.8, many.logits)
    assert unshifted.offset == pytest.approx(fit.offset, abs=0.1)


def test_few_pairs_keep_a_scale_from_elsewhere() -> None:
    few, many = pairs(30, 6, 3), pairs(20_000, 6, 3)
    free = abs(np.log(fit_platt(few).scale / 0.6))
    assert abs(np.log(fit_platt(few, near=0.6).scale / 0.6)) < min(0.1, free)
    assert fit_platt(many, near=0.6).scale == pytest.approx(fit_platt(many).scale, rel=0.1)


def test_isotonic_ascends_and_fits_what_no_sigmoid_can() -> None:
    random = np.random.default_rng(4)
    logits = random.uniform(-3, 3, 5000)
    some = ScoredPairs(logits, random.random(5000) < np.where(logits > 1, 0.9, 0.3))
    fitted = fit_isotonic(some)
    assert np.all(np.diff(fitted.logits) >= 0)
    assert np.all(np.diff(fitted.probabilities) >= 0)
    np.testing.assert_allclose(fitted(np.array([-0.5, 2.0])), [0.3, 0.9], atol=0.05)
    assert np.all(np.isin(fitted(np.array([-9.0, 9.0])), [fitted.probabilities[0], fitted.probabilities[-1]]))


def test_calibration_is_fitted_on_validation_pairs_only() -> None:
    validation, test = pairs(4000, 5, 3), pairs(4000, 6, 3)
    found = calibrate(validation, test)
    other = calibrate(validation, ScoredPairs(-test.logits, test.matches))
    assert (found.platt, found.isotonic) == (other.platt, other.isotonic)
    assert found.by_platt.error < found.raw.error / 2
    assert found.by_isotonic.error < found.raw.error / 2
    assert json.loads(json.dumps(found.to_dict()))["platt"]["scale"] == found.platt.scale


def test_wrong_input_is_refused() -> None:
    with pytest.raises(EvaluationError, match="match and pairs that do not"):
        fit_platt(ScoredPairs(np.zeros(3), np.ones(3, bool)))
    with pytest.raises(EvaluationError, match="finite"):
        fit_isotonic(ScoredPairs(np.array([np.nan, 1]), np.array([True, False])))
    with pytest.raises(EvaluationError, match=r"within 0\.\.1"):
        reliability([1.2], [True])
    with pytest.raises(EvaluationError, match="at least one pair"):
        reliability([], [])
