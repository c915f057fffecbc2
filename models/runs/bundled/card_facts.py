"""The facts of a bundle's card: origin and measurements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from models.bundle.card import Normalisation
from models.bundle.trained_card import EncoderFacts, Facts, Measurement, TrainingSet
from models.evaluation.evaluate import evaluate
from models.evaluation.learn_ranking import LearnedRanking
from models.evaluation.learned_matcher import measure_reranking
from models.evaluation.metrics.shortlists import RankedShortlists
from models.evaluation.protocols import protocol_named
from models.runs.bundled.bundle_maps import BundleMaps
from models.runs.bundled.middle_maps import MEAN, STD
from models.runs.bundled.plan import IMAGENET, Plan
from models.runs.bundled.train_encoder import embed
from models.runs.bundled.train_ranking import TwoStages
from models.runs.inputs.known_sets import TERMS
from models.runs.inputs.recorded_splits import describe_splits
from models.training.recipes.load import named_recipe

_BANDS = ("red", "green", "blue")


def bundle_facts(
    plan: Plan,
    maps: BundleMaps,
    stages: TwoStages,
    share: float,
    balance: float,
    learned: LearnedRanking,
    tests: Mapping[str, RankedShortlists],
) -> Facts:
    """The card's facts; measures the encoder on the test images of each data set."""
    material = maps.material
    sets = [(TERMS[name], len(material.of(name, material.train))) for name in material.names]
    recipe = plan.recipe.model_dump(mode="json") | {"distance": plan.distance, "share": share, "balance": balance}
    return Facts(
        id=plan.model_id,
        title=plan.title,
        description="EfficientNet-Lite0 from ImageNet weights, upper part trained on aerial imagery of 0.3 to 8 m per pixel",
        licence=plan.licence,
        research_only=plan.research_only,
        supersedes=plan.supersedes,
        input_size=plan.input_size,
        bands=_BANDS,
        normalisation=Normalisation(mean=(MEAN,) * 3, std=(STD,) * 3),
        encoder=EncoderFacts(name="efficientnet-lite0", pooling="two-layer"),
        recipe=recipe,
        matcher_recipe=named_recipe("correlation-matcher").model_dump(mode="json"),
        seed=plan.recipe.seed,
        training_sets=tuple(TrainingSet(name=title, terms=terms, images=count) for (title, terms), count in sets),
        starting_weights=(IMAGENET,),
        splits=_splits(plan, maps),
        metrics={**_embedding_metrics(maps, stages), **_ranking_metrics(learned, tests)},
    )


def _splits(plan: Plan, maps: BundleMaps) -> dict[str, Any]:
    described = describe_splits(
        maps.material, seed=0, train_fraction=plan.train_fraction, validation_fraction=0.0, same_class=plan.same_class
    )
    chosen = "weights, share, balance and calibration chosen on classes held out from a twin: " + ", ".join(plan.held_out)
    return {**described, "fusion": chosen}


def _embedding_metrics(maps: BundleMaps, stages: TwoStages) -> dict[str, Measurement]:
    material, protocol, result = maps.material, protocol_named("A-80"), {}
    for name in material.names:
        rows = np.concatenate([material.of(name, part) for part in (material.train, material.test)])
        train = np.arange(len(material.of(name, material.train)))
        test = np.arange(len(train), len(rows))
        found = evaluate(embed(stages.encoder, maps.plain, rows), material.labels[rows], protocol, train, test).retrieval
        values = {
            "map": found.mean_average_precision,
            "anmrr": found.anmrr,
            "p_at_10": found.precision_at[10],
            "knn10": found.knn_accuracy,
        }
        text = "test images query, all other images are ranked (A-80); the embedding alone, float32"
        result[name] = Measurement(protocol=text, values=values)
    return result


def _ranking_metrics(learned: LearnedRanking, tests: Mapping[str, RankedShortlists]) -> dict[str, Measurement]:
    weights, errors = learned.weights, learned.calibration
    asked = "test images query each other; "
    result = {
        f"rerank, test of {name}": measure_reranking(each.report([weights]), weights, asked) for name, each in tests.items()
    }
    values = {"ece_raw": errors.raw.error, "ece": errors.by_platt.error}
    protocol = "fitted on shortlists of held-out classes, measured on those of test images"
    return {**result, "calibration": Measurement(protocol=protocol, values=values)}
