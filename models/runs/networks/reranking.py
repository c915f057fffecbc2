"""A trained matcher made ready for its bundle: stored halves, calibration, its say in the ranking, and what that is worth."""

from __future__ import annotations

from dataclasses import dataclass

from models.bundle.trained_card import Measurement
from models.evaluation.learned_matcher import describe_calibration, describe_fusion, measure_reranking
from models.evaluation.metrics.rerank import safe_weight
from models.export.write_bundle import Matcher
from models.matcher.split import SplitMatcher
from models.runs.default.matcher import DEPTH, Judged, Shown, calibrate_on, judge, show_rows
from models.runs.inputs.training_data import TrainingData
from models.runs.networks.embedder import TrainedEncoder
from models.runs.networks.matcher import fit_stored

_ASKED = "test images query the training images; "


@dataclass(frozen=True, slots=True)
class ReadyMatcher:
    """The matcher as a bundle takes it, and its measurements for the card."""

    matcher: Matcher
    metrics: dict[str, Measurement]


def prepare_matcher(
    network: SplitMatcher, trained: TrainedEncoder, data: TrainingData, seen: Shown | None = None
) -> ReadyMatcher:
    """Calibrate on the validation images, weigh on them, measure on the test images.

    Where there are too few validation images for that, the matcher gets neither calibration nor weight. seen: the training
    images where they are encoded already.
    """
    material = data.material
    database = seen or show_rows(trained, material, data.rows)
    stored = fit_stored(network, database.maps)
    held = show_rows(trained, material, material.validation) if len(material.validation) > 1 else None
    validation = [] if held is None else [judge(network, stored, held, database), judge(network, stored, held)]
    validation = [each for each in validation if _is_telling(each)]
    tests = {name: show_rows(trained, material, material.of(name, material.test)) for name in material.names}
    judged = {name: judge(network, stored, shown, database) for name, shown in tests.items()}
    judged = {name: each for name, each in judged.items() if _is_telling(each)}
    if not validation or not judged:
        return ReadyMatcher(Matcher(network, stored), {})
    calibration = calibrate_on(validation, list(judged.values()))
    weight = safe_weight([each.reranked() for each in validation])
    metrics = {f"rerank, {name}": measure_reranking(each.reranked(), weight, _ASKED) for name, each in judged.items()}
    errors = {"ece_raw": calibration.raw.error, "ece": calibration.by_platt.error}
    metrics["calibration"] = Measurement(protocol="fitted on validation pairs, measured on test pairs", values=errors)
    ready = Matcher(network, stored, describe_calibration(calibration.platt), describe_fusion(weight, DEPTH))
    return ReadyMatcher(ready, metrics)


def _is_telling(judged: Judged) -> bool:
    """Whether some pairs match and some do not: nothing can be learned from fewer."""
    matches = judged.pairs.matches
    return bool(matches.any() and not matches.all())
