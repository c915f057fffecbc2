"""A trained matcher made ready for its bundle: stored halves, calibration, its say in the ranking, and what that is worth."""

from __future__ import annotations

from dataclasses import dataclass

from models.data.samplers import Indices
from models.evaluation.rerank import RerankReport, safe_weight
from models.export.bundle import Matcher
from models.export.card import Measurement
from models.matcher.split import SplitMatcher
from models.runs.bundle_facts import describe_calibration, describe_fusion
from models.runs.default_matcher import DEPTH, Judged, Shown, calibrate_on, judge, show
from models.runs.embedder import TrainedEncoder
from models.runs.matcher import fit_stored
from models.runs.training_data import TrainingData
from models.training.encoding import encode_images


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
    database = seen or _shown(trained, data, data.rows)
    stored = fit_stored(network, database.maps)
    held = _shown(trained, data, material.validation) if len(material.validation) > 1 else None
    validation = [] if held is None else [judge(network, stored, held, database), judge(network, stored, held)]
    validation = [each for each in validation if _is_telling(each)]
    tests = {name: _shown(trained, data, material.of(name, material.test)) for name in material.names}
    judged = {name: judge(network, stored, shown, database) for name, shown in tests.items()}
    judged = {name: each for name, each in judged.items() if _is_telling(each)}
    if not validation or not judged:
        return ReadyMatcher(Matcher(network, stored), {})
    calibration = calibrate_on(validation, list(judged.values()))
    weight = safe_weight([each.reranked() for each in validation])
    metrics = {f"rerank, {name}": _measurement(each.reranked(), weight) for name, each in judged.items()}
    errors = {"ece_raw": calibration.raw.error, "ece": calibration.by_platt.error}
    metrics["calibration"] = Measurement(protocol="fitted on validation pairs, measured on test pairs", values=errors)
    ready = Matcher(network, stored, describe_calibration(calibration.platt), describe_fusion(weight, DEPTH))
    return ReadyMatcher(ready, metrics)


def _is_telling(judged: Judged) -> bool:
    """Whether some pairs match and some do not: nothing can be learned from fewer."""
    matches = judged.pairs.matches
    return bool(matches.any() and not matches.all())


def _shown(trained: TrainedEncoder, data: TrainingData, rows: Indices) -> Shown:
    encoded = encode_images(trained.encoder, trained.preparation, data.material.pixels, rows, with_maps=True)
    return show(encoded, data.material.labels[rows])


def _measurement(report: RerankReport, weight: float) -> Measurement:
    after = report.at(weight)
    values = {
        "map_before": report.before.mean_average_precision,
        "map_after": after.mean_average_precision,
        "anmrr_before": report.before.anmrr,
        "anmrr_after": after.anmrr,
    }
    text = f"test images query the training images; the first {report.depth} places re-ranked with weight {weight:g}"
    return Measurement(protocol=text, values=values)
