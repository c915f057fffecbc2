"""Train an encoder and a matcher, and evaluate them on classes or data sets that neither was trained on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.data.samplers import Indices
from models.evaluation.evaluate import evaluate
from models.evaluation.metrics.rerank import WEIGHTS, Weights
from models.evaluation.metrics.shortlists import RankedShortlists
from models.evaluation.protocols import unseen
from models.papers.experiments import CHECKPOINT_EVERY, EpochMessages
from models.papers.results import Context
from models.runs.default.stages import train_in_stages
from models.runs.inputs.material import Material, load_material
from models.runs.networks.run_options import RunOptions
from models.runs.networks.shortlist_scores import encode_rows, score_shortlists
from models.runs.networks.train_embedder import TrainedEncoder
from models.runs.networks.train_matcher import train_matcher_on
from models.training.recipes.recipe import Recipe

DATA_SETS = ("ucmerced", "aid")
TRAINED, VALIDATION = 0.8, 0.04
"""Shares of each class: not for testing, and of these for calibrating the matcher instead of training."""
VIEWS = 2
"""Augmented copies of each training image of the matcher, in addition to the image itself."""


@dataclass(frozen=True, slots=True)
class Question:
    """Training data and queries of an experiment.

    trained, asked: data sets of the training images and of the queries. without: classes of `trained` that are left out of
    training; if there are any, only their images query, otherwise all images of `asked`.
    """

    key: str
    title: str
    trained: str
    asked: str
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Networks:
    """Recipes: of the encoder, one for each stage, and of its matcher. Their seed also splits the data."""

    stages: list[Recipe]
    matcher: Recipe


@dataclass(frozen=True, slots=True)
class Parts:
    """Rows of the images. train, validation, test: of the training data set. asked: queries, which no network was trained
    on."""

    train: Indices
    validation: Indices
    test: Indices
    asked: Indices


def parts_of(question: Question, material: Material) -> Parts:
    """Split the images; `asked` has no image in common with the others, and no class if some are left out."""
    is_out = np.isin(material.labels, [material.images.classes.index(name) for name in question.without])
    sides = (material.of(question.trained, side) for side in (material.train, material.validation, material.test))
    train, validation, test = (rows[~is_out[rows]] for rows in sides)
    asked = material.of(question.asked, np.arange(len(material.images), dtype=np.int64))
    return Parts(train, validation, test, asked[is_out[asked]] if question.without else asked)


def measure(question: Question, networks: Networks, context: Context, folder: Path) -> dict[str, Any]:
    """Rank unseen images by the embedding alone and re-ranked by the matcher; folder: of checkpoints.

    All weights are measured. Returns the embedding's reports, and `RerankReport.to_dict()` for "unseen" and for "test", the
    test images of the training data set; the images of each kind query each other.
    """
    material = load_material(
        {name: context.data / name for name in DATA_SETS},
        networks.stages[-1].image_size,
        context.cache,
        train_fraction=TRAINED,
        validation_fraction=VALIDATION,
        seed=networks.matcher.seed,
    )
    parts = parts_of(question, material)
    trained = train_in_stages(
        material,
        networks.stages,
        context.cache,
        folder / "encoder",
        rows=parts.train,
        callbacks=lambda recipe: [EpochMessages(context.say, f"encoder, {recipe.image_size} px", recipe.epochs)],
    )
    scored = _score(trained, material, parts, networks.matcher, context, folder / "matcher")
    asked, nothing = scored["unseen"], np.zeros(0, np.int64)
    everything = np.arange(len(asked.queries))
    found = evaluate(asked.queries, material.labels[parts.asked], unseen(), nothing, everything, seed=networks.matcher.seed)
    weights = [Weights(weight) for weight in WEIGHTS]
    return {
        "embedding": {"retrieval": found.retrieval.to_dict(), "clustering": found.clustering.to_dict()},
        "rerank": {name: each.report(weights).to_dict() for name, each in scored.items()},
        "images": {name: len(rows) for name, rows in asdict(parts).items()},
    }


def _score(
    trained: TrainedEncoder, material: Material, parts: Parts, recipe: Recipe, context: Context, folder: Path
) -> dict[str, RankedShortlists]:
    """Train the matcher on the training images, and score the first places of every ranking."""
    context.say("encoding the training images for the matcher")
    matcher = train_matcher_on(
        trained,
        material,
        parts.train,
        recipe,
        RunOptions(folder, [EpochMessages(context.say, "matcher", recipe.epochs)], CHECKPOINT_EVERY),
        views=VIEWS,
    )
    network, stored = matcher.network, matcher.stored
    return {
        "unseen": score_shortlists(network, stored, encode_rows(trained, material, parts.asked)),
        "test": score_shortlists(network, stored, encode_rows(trained, material, parts.test)),
    }
