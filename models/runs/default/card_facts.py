"""The facts of the default bundle's card: origin and measurements."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.bundle.card import Normalisation
from models.bundle.trained_card import EncoderFacts, Facts, Measurement, TrainingSet
from models.evaluation.evaluate import evaluate
from models.evaluation.learned_matcher import measure_reranking
from models.evaluation.metrics.retrieval import retrieval_metrics
from models.evaluation.protocols import protocol_named
from models.runs.default.plan import Plan
from models.runs.default.train_reranker import Reranker
from models.runs.inputs.known_sets import TERMS
from models.runs.inputs.material import Material
from models.runs.inputs.recorded_splits import describe_splits
from models.runs.networks.train_embedder import TrainedEncoder


def default_facts(plan: Plan, material: Material, trained: TrainedEncoder, reranker: Reranker) -> Facts:
    """The card's facts; measures the encoder on the test images of both data sets."""
    preparation = trained.preparation
    counts = {name: len(material.of(name, material.train)) for name in material.names}
    sets = tuple(TrainingSet(name=title, terms=terms, images=counts[name]) for name, (title, terms) in TERMS.items())
    return Facts(
        id=plan.model_id,
        title="Dyad RGB",
        description="ResNet-18 of width 48 and its matcher, trained from scratch on aerial imagery of 0.3 to 8 m per pixel",
        licence="research use, as part of its training data is",
        input_size=plan.input_size,
        bands=("red", "green", "blue"),
        normalisation=Normalisation(
            mean=tuple(preparation.mean.flatten().tolist()), std=tuple(preparation.std.flatten().tolist())
        ),
        encoder=EncoderFacts(name="resnet18", width=plan.recipes[-1].width),
        recipe={"stages": [recipe.model_dump(mode="json") for recipe in plan.recipes]},
        matcher_recipe=plan.matcher.model_dump(mode="json"),
        seed=plan.recipes[-1].seed,
        training_sets=sets,
        splits=_splits(material, plan),
        metrics={**_embedding_metrics(material, trained), **_rerank_metrics(reranker)},
    )


def _splits(material: Material, plan: Plan) -> dict[str, Any]:
    described = describe_splits(
        material,
        seed=0,
        train_fraction=plan.train_fraction,
        validation_fraction=plan.validation_fraction,
        same_class=plan.same_class,
    )
    fusion = "weights chosen on validation images, and on classes held out from a twin: " + ", ".join(plan.held_out)
    return {**described, "fusion": fusion}


def _embedding_metrics(material: Material, trained: TrainedEncoder) -> dict[str, Measurement]:
    protocol = protocol_named("A-80")
    result = {}
    for name in material.names:
        rows = np.concatenate([material.of(name, part) for part in (material.train, material.test)])
        train = np.arange(len(material.of(name, material.train)))
        test = np.arange(len(train), len(rows))
        embeddings, labels = trained.embed(material.pixels, rows), material.labels[rows]
        found = evaluate(embeddings, labels, protocol, train, test)
        against = retrieval_metrics(embeddings[test], labels[test], embeddings[train], labels[train], exclude_self=False)
        values = {
            "map": found.retrieval.mean_average_precision,
            "anmrr": found.retrieval.anmrr,
            "knn10": against.knn_accuracy,
            "map_at_20": against.map_at_20,
            "map_at_20_strict": against.map_at_20_strict,
        }
        text = "test images query; map and anmrr over all other images (A-80), the others over the training images; float32"
        result[name] = Measurement(protocol=text, values=values)
    return result


def _rerank_metrics(reranker: Reranker) -> dict[str, Measurement]:
    reports = reranker.reports.items()
    result = {f"rerank, {name}": measure_reranking(report, reranker.weights) for name, report in reports}
    errors = reranker.measured
    values = {"ece_raw": errors.raw.error, "ece": errors.by_platt.error, "ece_isotonic": errors.by_isotonic.error}
    result["calibration"] = Measurement(
        protocol="fitted on validation images and on classes held out from a twin, measured on test images",
        values=values,
    )
    return result
