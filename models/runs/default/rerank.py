"""Everything about re-ranking in the default bundle: the matcher, its calibration, and how much it may say."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.data.samplers import Indices
from models.evaluation.learned_matcher import describe_calibration, describe_fusion
from models.evaluation.metrics.calibration import Calibration
from models.evaluation.metrics.rerank import RerankReport, safe_weight
from models.matcher.quantise import Quantisation
from models.matcher.split import SplitMatcher
from models.runs.default.embedder import train_in_stages
from models.runs.default.matcher import DEPTH, calibrate_on, judge, show, show_rows
from models.runs.default.plan import Plan
from models.runs.inputs.material import Material
from models.runs.networks.conduct import Conduct
from models.runs.networks.embedder import TrainedEncoder
from models.runs.networks.matcher import train_matcher_on
from models.training.loop.callbacks import Callback
from models.training.recipes.recipe import Recipe

NO_LOSS = 0.0005
"""Of mAP: a twentieth of a point, far below what another choice of queries would change."""
MakeCallbacks = Callable[[Recipe, str], list[Callback]]


@dataclass(frozen=True, slots=True)
class Reranker:
    """The matcher as it goes into the bundle.

    measured: the calibration, on test pairs. reports: what re-ranking did, by what was ranked; those that begin with "test"
    had no part in any choice.
    """

    network: SplitMatcher
    stored: Quantisation
    calibration: Mapping[str, Any]
    fusion: Mapping[str, Any]
    measured: Calibration
    reports: Mapping[str, RerankReport]
    weight: float


def train_reranker(
    material: Material, trained: TrainedEncoder, plan: Plan, cache: Path, work: Path, callbacks: MakeCallbacks
) -> Reranker:
    """Train the matcher on the training images, calibrate it on the validation images, and choose its weight.

    Images query each other: an archive is full of imagery that no network was trained on. Rankings of the training images are
    reported beside. The weight is the best of those that harm neither the validation images nor classes that no network has
    seen, which takes a second encoder and matcher, trained without them. What begins with "test" in the reports chose nothing.
    All weights of all reports are written to `work / "rerank.json"`.
    """
    matcher = train_matcher_on(
        trained,
        material,
        material.train,
        plan.matcher,
        Conduct(work / "matcher", callbacks(plan.matcher, "matcher")),
        views=plan.views,
    )
    network, stored = matcher.network, matcher.stored
    database = show(matcher.plain, material.labels[material.train])
    validation = show_rows(trained, material, material.validation)
    seen = {
        "validation": judge(network, stored, validation),
        "validation over training": judge(network, stored, validation, database),
    }
    test, over_training = {}, {}
    for name in material.names:
        is_of = material.sources[material.train] == material.names.index(name)
        queries = show_rows(trained, material, material.of(name, material.test))
        test[f"test of {name}"] = judge(network, stored, queries)
        over_training[f"test of {name} over training"] = judge(network, stored, queries, database.take(np.flatnonzero(is_of)))
    measured = calibrate_on([seen["validation"]], list(test.values()))
    reports = {name: each.reranked() for name, each in (seen | test | over_training).items()}
    reports["unseen classes"] = _unseen_classes(material, plan, cache, work / "twin", callbacks)
    (work / "rerank.json").write_text(json.dumps({name: each.to_dict() for name, each in reports.items()}, indent=1))
    weight = safe_weight([report for name, report in reports.items() if not name.startswith("test")], NO_LOSS)
    fusion = describe_fusion(weight, DEPTH)
    calibration = describe_calibration(measured.platt)
    return Reranker(network, stored, calibration, fusion, measured, reports, weight)


@dataclass(frozen=True, slots=True)
class Twin:
    """A cheaper encoder and its matcher, trained without `plan.held_out`.

    rows: what it was trained on. held: images of the classes that it never saw, without the test images.
    """

    trained: TrainedEncoder
    network: SplitMatcher
    stored: Quantisation
    rows: Indices
    held: Indices


def train_twin(material: Material, plan: Plan, cache: Path, work: Path, callbacks: MakeCallbacks) -> Twin:
    """Train one, or go on where an earlier run under `work` was stopped."""
    is_held = np.isin(material.labels, [material.images.classes.index(name) for name in plan.held_out])
    rows = material.train[~is_held[material.train]]
    trained = train_in_stages(
        material, plan.twin_recipes, cache, work, rows=rows, callbacks=lambda recipe: callbacks(recipe, "twin")
    )
    matcher = train_matcher_on(
        trained,
        material,
        rows,
        plan.matcher,
        Conduct(work / "matcher", callbacks(plan.matcher, "twin-matcher")),
        views=plan.views,
    )
    held = np.concatenate((material.train, material.validation))
    return Twin(trained, matcher.network, matcher.stored, rows, np.sort(held[is_held[held]]))


def _unseen_classes(material: Material, plan: Plan, cache: Path, work: Path, callbacks: MakeCallbacks) -> RerankReport:
    """A twin, asked for the classes that it never saw only; without test images."""
    twin = train_twin(material, plan, cache, work, callbacks)
    return judge(twin.network, twin.stored, show_rows(twin.trained, material, twin.held)).reranked()
