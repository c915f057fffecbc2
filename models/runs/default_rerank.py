"""Everything about re-ranking in the default bundle: the matcher, its calibration, and how much it may say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.data.samplers import Indices
from models.evaluation.calibration import Calibration
from models.evaluation.rerank import RerankReport, safe_weight
from models.matcher.quantise import Quantisation
from models.matcher.split import SplitMatcher
from models.runs.default_embedder import train_in_stages
from models.runs.default_matcher import DEPTH, Judged, Shown, calibrate_on, judge, show
from models.runs.default_plan import Plan
from models.runs.embedder import TrainedEncoder
from models.runs.matcher import encode_views, fit_stored, train_matcher
from models.runs.material import Material
from models.training.callbacks import Callback
from models.training.encoding import encode_images
from models.training.recipe import Recipe

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

    The weight is the best of those that harm neither the validation images nor classes that no network has seen, which takes a
    second encoder and matcher, trained without them. What begins with "test" in the reports chose nothing.
    """
    network, stored = _matcher(material, trained, plan, material.train, work / "matcher", callbacks(plan.matcher, "matcher"))
    database = _shown(material, trained, material.train)
    validation = _shown(material, trained, material.validation)
    seen = {"validation": judge(network, stored, validation, database), "validation alone": judge(network, stored, validation)}
    test = {}
    for name in material.names:
        rows = material.of(name, material.test)
        queries, others = _shown(material, trained, rows), material.of(name, material.train)
        test[f"test of {name}"] = judge(network, stored, queries, _shown(material, trained, others))
    measured = calibrate_on(list(seen.values()), list(test.values()))
    unseen = _unseen_classes(material, plan, cache, work / "twin", callbacks)
    judged = {**seen, "unseen classes": unseen, **test}
    reports = {name: each.reranked(measured.temperature) for name, each in judged.items()}
    weight = safe_weight([report for name, report in reports.items() if not name.startswith("test")])
    fusion = {"formula": "(1 - weight) * cosine + weight * match_probability", "weight": weight, "depth": DEPTH}
    calibration = {"kind": "temperature", "temperature": measured.temperature.value}
    return Reranker(network, stored, calibration, fusion, measured, reports, weight)


def _unseen_classes(material: Material, plan: Plan, cache: Path, work: Path, callbacks: MakeCallbacks) -> Judged:
    """A cheaper encoder and its matcher, trained without `plan.held_out`, asked for those classes only; without test images."""
    is_held = np.isin(material.labels, [material.images.classes.index(name) for name in plan.held_out])
    rows = material.train[~is_held[material.train]]
    twin = train_in_stages(
        material, plan.twin_recipes, cache, work, rows=rows, callbacks=lambda recipe: callbacks(recipe, "twin")
    )
    network, stored = _matcher(material, twin, plan, rows, work / "matcher", callbacks(plan.matcher, "twin-matcher"))
    held = np.concatenate((material.train, material.validation))
    return judge(network, stored, _shown(material, twin, np.sort(held[is_held[held]])))


def _matcher(
    material: Material, trained: TrainedEncoder, plan: Plan, rows: Indices, folder: Path, callbacks: list[Callback]
) -> tuple[SplitMatcher, Quantisation]:
    views = encode_views(trained, material.pixels, rows, plan.views)
    labels = np.unique(material.labels[rows], return_inverse=True)[1].astype(np.int64)
    network = train_matcher(plan.matcher, views, labels, folder=folder, callbacks=callbacks)
    return network, fit_stored(network, show(views[0], labels).maps)


def _shown(material: Material, trained: TrainedEncoder, rows: Indices) -> Shown:
    encoded = encode_images(trained.encoder, trained.preparation, material.pixels, rows, with_maps=True)
    return show(encoded, material.labels[rows])
