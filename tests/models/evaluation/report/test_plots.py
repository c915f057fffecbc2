from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest

from models.evaluation.aggregate import curve, sensitivity
from models.evaluation.errors import EvaluationError
from models.evaluation.metrics.calibration import ScoredPairs, calibrate
from models.evaluation.metrics.neighbours import Confusion
from models.evaluation.metrics.rerank import Quality, RerankReport, Weights
from models.evaluation.report import plots
from models.evaluation.report.projection import EmbeddingMap


def texts(svg: bytes) -> set[str]:
    """What is written in a picture, which so proves to be well-formed."""
    return {"".join(each.itertext()).strip() for each in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")}


def reliability() -> bytes:
    random = np.random.default_rng(0)
    logits = random.normal(size=400)
    pairs = ScoredPairs(3 * logits, random.random(400) < 1 / (1 + np.exp(-logits)))
    return plots.reliability_plot(calibrate(pairs, pairs))


def rerank() -> bytes:
    before, after = Quality(0.7, 0.2, 0.9, 0.8, 0.7), Quality(0.75, 0.15, 0.9, 0.8, 0.7)
    reports = {"AID": RerankReport(5, 100, before, {Weights(): before, Weights(0.5): after})}
    return plots.rerank_plot({**reports, "UC Merced": reports["AID"]}, Weights(0.5))


def embedding_map() -> bytes:
    points = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
    return plots.map_plot(EmbeddingMap(np.arange(0, 40, 2), points, "tsne"), np.repeat(["beach", "river"], 20))


CASES: dict[str, tuple[Callable[[], bytes], set[str]]] = {
    "precision-recall": (
        lambda: plots.precision_recall_plot({"NSL": [1, 0.8, 0.2], "Triplet": [1, 0.5, 0.1]}),
        {"NSL", "Triplet"},
    ),
    "classes": (lambda: plots.class_plot({"one": {"beach": 0.5, "river": 0.75}}), {"beach", "river", "50.0", "75.0"}),
    "class-models": (lambda: plots.class_plot({"VGG-16": {"beach": 0.5}, "ours": {"beach": 0.7}}), {"beach", "VGG-16", "ours"}),
    "confusion": (lambda: plots.confusion_plot(Confusion(("a", "b"), np.array([[3, 1], [0, 0]]))), {"a", "b", "75", "25"}),
    "sensitivity": (
        lambda: plots.sensitivity_plot(sensitivity({(0.05, 0.2): 0.91, (0.1, 0.2): 0.9, (0.1, 0.5): 0.8})),
        {"0.05", "0.1", "91.00", "80.00", "τ", "m"},
    ),
    "splits": (lambda: plots.curve_plot({"mAP": curve({0.3: 0.5, 0.8: [0.8, 0.9]})}, x="share", y="mAP"), {"share", "mAP"}),
    "folds": (lambda: plots.folds_plot({"mAP": [0.8, 0.7], "ANMRR": [0.1, 0.2]}), {"mAP", "ANMRR", "1", "2"}),
    "map": (embedding_map, {"beach", "river"}),
    "reliability": (reliability, {"match probability", "pairs"}),
    "re-ranking": (rerank, {"AID", "UC Merced", "ANMRR"}),
}


@pytest.mark.parametrize("name", CASES)
def test_plots_are_well_formed_say_what_they_show_and_repeat_themselves(name: str) -> None:
    make, wanted = CASES[name]
    before = dict(mpl.rcParams)
    first = make()
    assert wanted <= texts(first)
    assert first == make()
    assert dict(mpl.rcParams) == before
    assert b"DejaVu" not in first


def test_too_many_series_are_refused() -> None:
    with pytest.raises(EvaluationError, match="1 to 8 series, not 9"):
        plots.precision_recall_plot({str(each): [1.0, 0.5] for each in range(9)})
