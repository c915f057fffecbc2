"""Prepare a trained matcher for its bundle: quantisation, fusion weights, calibration, and measurements."""

from __future__ import annotations

from dataclasses import dataclass

from models.bundle.trained_card import Measurement
from models.evaluation.learn_ranking import learn_ranking
from models.evaluation.learned_matcher import measure_reranking
from models.evaluation.metrics.shortlists import RankedShortlists
from models.export.write_bundle import Matcher
from models.matcher.kinds import PairNetwork
from models.runs.inputs.training_data import TrainingData
from models.runs.networks.shortlist_scores import EncodedSet, encode_rows, score_shortlists
from models.runs.networks.train_embedder import TrainedEncoder
from models.runs.networks.train_matcher import fit_stored

_PROTOCOL = "test images query the training images; "


@dataclass(frozen=True, slots=True)
class ReadyMatcher:
    """The matcher for a bundle, and its measurements for the card."""

    matcher: Matcher
    metrics: dict[str, Measurement]


def prepare_matcher(
    network: PairNetwork, trained: TrainedEncoder, data: TrainingData, seen: EncodedSet | None = None
) -> ReadyMatcher:
    """Choose the fusion weights and calibrate on the validation images, measure on the test images.

    With too few validation images the matcher gets neither weights nor calibration. seen: the training images if they are
    encoded already.
    """
    material = data.material
    database = seen or encode_rows(trained, material, data.rows)
    stored = fit_stored(network, database.maps)
    held = encode_rows(trained, material, material.validation) if len(material.validation) > 1 else None
    validation = (
        [] if held is None else [score_shortlists(network, stored, held, database), score_shortlists(network, stored, held)]
    )
    validation = [each for each in validation if _has_both_kinds(each)]
    tests = {name: encode_rows(trained, material, material.of(name, material.test)) for name in material.names}
    scored = {name: score_shortlists(network, stored, shown, database) for name, shown in tests.items()}
    scored = {name: each for name, each in scored.items() if _has_both_kinds(each)}
    if not validation or not scored:
        return ReadyMatcher(Matcher(network, stored), {})
    learned = learn_ranking(validation, validation, list(scored.values()), tolerance=0.0)
    weights = learned.weights
    metrics = {
        f"rerank, {name}": measure_reranking(each.report([weights]), weights, _PROTOCOL) for name, each in scored.items()
    }
    errors = {"ece_raw": learned.calibration.raw.error, "ece": learned.calibration.by_platt.error}
    metrics["calibration"] = Measurement(protocol="fitted on validation pairs, measured on test pairs", values=errors)
    return ReadyMatcher(Matcher(network, stored, learned.matcher_calibration(), learned.fusion()), metrics)


def _has_both_kinds(scored: RankedShortlists) -> bool:
    """Whether some pairs match and some do not, which calibration needs."""
    matches = scored.matches
    return bool(matches.any() and not matches.all())
