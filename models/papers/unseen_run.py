"""Train an encoder and a matcher on a part of what there is, and ask them for what neither has seen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.data.samplers import Indices
from models.evaluation.evaluate import evaluate
from models.evaluation.protocols import unseen
from models.papers.experiments import CHECKPOINT_EVERY, EpochMessages
from models.papers.results import Context
from models.runs.default.stages import train_in_stages
from models.runs.inputs.material import Material, load_material
from models.runs.networks.run_options import RunOptions
from models.runs.networks.shortlist_scores import ScoredShortlists, encode_rows, score_shortlists
from models.runs.networks.train_embedder import TrainedEncoder
from models.runs.networks.train_matcher import train_matcher_on
from models.training.recipes.recipe import Recipe

DATA_SETS = ("ucmerced", "aid")
TRAINED, VALIDATION = 0.8, 0.04
"""Shares of each class: not tested on, and the part of it that is held back from training to calibrate the matcher on."""
VIEWS = 2
"""Augmented looks at each training image that the matcher gets beside the plain one."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is trained on, and what is asked.

    trained, asked: data sets. without: classes of `trained` that are left out of training; if there are any, all their images
    are asked and nothing else, otherwise every image of `asked` is.
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
    """Rows of the material. train, validation, test: of what is trained on. asked: what no network sees before."""

    train: Indices
    validation: Indices
    test: Indices
    asked: Indices


def parts_of(question: Question, material: Material) -> Parts:
    """Who is trained on and who is asked; `asked` shares no image with the others, and no class where some are left out."""
    is_out = np.isin(material.labels, [material.images.classes.index(name) for name in question.without])
    sides = (material.of(question.trained, side) for side in (material.train, material.validation, material.test))
    train, validation, test = (rows[~is_out[rows]] for rows in sides)
    asked = material.of(question.asked, np.arange(len(material.images), dtype=np.int64))
    return Parts(train, validation, test, asked[is_out[asked]] if question.without else asked)


def measure(question: Question, networks: Networks, context: Context, folder: Path) -> dict[str, Any]:
    """Rank what was not seen, by the embedding alone and re-ranked by the matcher; folder: of checkpoints.

    No choice is made here: every weight is measured. Returns the embedding's reports, and `RerankReport.to_dict()` for
    "unseen", and for "test", the test images of what was trained on; each kind queries itself, as an archive of imagery that
    nothing was trained on does.
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
    scored = _judge(trained, material, parts, networks.matcher, context, folder / "matcher")
    asked, nothing = scored["unseen"].queries, np.zeros(0, np.int64)
    everything = np.arange(len(asked.labels))
    found = evaluate(asked.embeddings, asked.labels, unseen(), nothing, everything, seed=networks.matcher.seed)
    return {
        "embedding": {"retrieval": found.retrieval.to_dict(), "clustering": found.clustering.to_dict()},
        "rerank": {name: each.reranked().to_dict() for name, each in scored.items()},
        "images": {name: len(rows) for name, rows in asdict(parts).items()},
    }


def _judge(
    trained: TrainedEncoder, material: Material, parts: Parts, recipe: Recipe, context: Context, folder: Path
) -> dict[str, ScoredShortlists]:
    """Train the matcher on the training part, and let it look at the first places of every ranking."""
    context.say("looking at the training images for the matcher")
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
