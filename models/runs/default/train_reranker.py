"""Re-ranking in the default bundle: the matcher, its fusion weights and its calibration."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.data.samplers import Indices
from models.evaluation.learn_ranking import learn_ranking
from models.evaluation.metrics.calibration import Calibration
from models.evaluation.metrics.rerank import RerankReport, Weights
from models.evaluation.metrics.shortlists import RankedShortlists
from models.matcher.kinds import PairNetwork
from models.matcher.quantise import Quantisation
from models.runs.default.plan import Plan
from models.runs.default.stages import train_in_stages
from models.runs.inputs.material import Material
from models.runs.networks.run_options import RunOptions
from models.runs.networks.shortlist_scores import encode_rows, encoded_set, score_shortlists
from models.runs.networks.train_embedder import TrainedEncoder
from models.runs.networks.train_matcher import train_matcher_on
from models.training.loop.callbacks import Callback
from models.training.recipes.recipe import Recipe

MakeCallbacks = Callable[[Recipe, str], list[Callback]]


@dataclass(frozen=True, slots=True)
class Reranker:
    """The matcher for the bundle.

    measured: the calibration, on test pairs. reports: of re-ranking, by the set that was ranked; those whose names begin with
    "test" were not used for any choice.
    """

    network: PairNetwork
    stored: Quantisation
    calibration: Mapping[str, Any]
    fusion: Mapping[str, Any]
    measured: Calibration
    reports: Mapping[str, RerankReport]
    weights: Weights


def train_reranker(
    material: Material, trained: TrainedEncoder, plan: Plan, cache: Path, work: Path, callbacks: MakeCallbacks
) -> Reranker:
    """Train the matcher on the training images, choose the weights of the fused score, and calibrate it.

    Images query each other, because most imagery of an archive is not training imagery; rankings of the training images are
    reported too. The weights are the best of those that lose neither on the validation images nor on classes that no network
    was trained on; for the latter a second encoder and matcher are trained without these classes. The calibration is fitted on
    both. All weights of all reports are written to `work / "rerank.json"`.
    """
    matcher = train_matcher_on(
        trained,
        material,
        material.train,
        plan.matcher,
        RunOptions(work / "matcher", callbacks(plan.matcher, "matcher")),
        views=plan.views,
    )
    network, stored = matcher.network, matcher.stored
    database = encoded_set(matcher.plain, material.labels[material.train])
    validation = encode_rows(trained, material, material.validation)
    seen = {
        "validation": score_shortlists(network, stored, validation),
        "validation over training": score_shortlists(network, stored, validation, database),
    }
    test, over_training = {}, {}
    for name in material.names:
        is_of = material.sources[material.train] == material.names.index(name)
        queries = encode_rows(trained, material, material.of(name, material.test))
        test[f"test of {name}"] = score_shortlists(network, stored, queries)
        over_training[f"test of {name} over training"] = score_shortlists(
            network, stored, queries, database.take(np.flatnonzero(is_of))
        )
    unseen = _unseen_classes(material, plan, cache, work / "twin", callbacks)
    chosen_on, fitted_on = [*seen.values(), unseen], [seen["validation"], unseen]
    learned = learn_ranking(chosen_on, fitted_on, list(test.values()))
    scored = seen | test | over_training | {"unseen classes": unseen}
    reports = {name: each.report() for name, each in scored.items()}
    (work / "rerank.json").write_text(json.dumps({name: each.to_dict() for name, each in reports.items()}, indent=1))
    calibration, fusion = learned.matcher_calibration(), learned.fusion()
    return Reranker(network, stored, calibration, fusion, learned.calibration, reports, learned.weights)


@dataclass(frozen=True, slots=True)
class Twin:
    """A cheaper encoder and its matcher, trained without the classes `plan.held_out`.

    rows: training images. held: images of the held-out classes, without the test images.
    """

    trained: TrainedEncoder
    network: PairNetwork
    stored: Quantisation
    rows: Indices
    held: Indices


def train_twin(material: Material, plan: Plan, cache: Path, work: Path, callbacks: MakeCallbacks) -> Twin:
    """Train one, or resume from the checkpoints under `work`."""
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
        RunOptions(work / "matcher", callbacks(plan.matcher, "twin-matcher")),
        views=plan.views,
    )
    held = np.concatenate((material.train, material.validation))
    return Twin(trained, matcher.network, matcher.stored, rows, np.sort(held[is_held[held]]))


def _unseen_classes(material: Material, plan: Plan, cache: Path, work: Path, callbacks: MakeCallbacks) -> RankedShortlists:
    """Shortlists of a twin on its held-out classes, without test images."""
    twin = train_twin(material, plan, cache, work, callbacks)
    return score_shortlists(twin.network, twin.stored, encode_rows(twin.trained, material, twin.held))
