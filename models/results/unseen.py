"""What no network has seen: six classes of AID left out, and one data set asked of networks that know only the other."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from models.data.samplers import Indices
from models.evaluation.calibration import fit_temperature
from models.evaluation.evaluate import evaluate
from models.evaluation.protocols import unseen
from models.evaluation.rerank import WEIGHTS, safe_weight
from models.results.experiments import CHECKPOINT_EVERY, Teller, run_folder
from models.results.seeds import SEEDS, Pick, measured, seeded, shown
from models.results.store import Cell, Context, Results
from models.results.tables import markdown_table
from models.runs.default_embedder import stage_recipes, train_in_stages
from models.runs.default_matcher import Judged, Shown, calibrate_on, judge, show
from models.runs.embedder import TrainedEncoder
from models.runs.matcher import encode_views, fit_stored, train_matcher
from models.runs.material import Material, load_material
from models.training.encoding import encode_images
from models.training.named import RECIPES
from models.training.recipe import Recipe

HELD_OUT = ("Church", "DenseResidential", "Mountain", "Pond", "RailwayStation", "StorageTanks")
"""A building, a settlement, relief, water, transport, industry."""
DATA_SETS = ("ucmerced", "aid")
TRAINED, VALIDATION = 0.8, 0.04
"""Shares of each class: not tested on, and of these held back from training to calibrate the matcher on."""
VIEWS = 2
"""Augmented looks at each training image that the matcher gets beside the plain one."""

Stages = tuple[tuple[int, int, float], ...]
WIDTH: Mapping[str, int] = MappingProxyType({"small": 32, "paper": 64})
STAGES: Mapping[str, Stages] = MappingProxyType(
    {"small": ((64, 16, 0.05), (96, 5, 0.03)), "paper": ((128, 40, 0.05), (192, 20, 0.04), (256, 20, 0.025))}
)
"""(pixels per side, epochs, learning rate)."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is trained on, and what is asked.

    trained, asked: data sets. without: classes of `trained` that are left out of training; if there are any, only they are
    asked. Otherwise every image of `asked` is.
    """

    key: str
    title: str
    trained: str
    asked: str
    without: tuple[str, ...] = ()


QUESTIONS = (
    Question("unseen-classes", "six classes of AID, trained on its others", "aid", "aid", HELD_OUT),
    Question("unseen-ucmerced", "UC Merced, trained on AID", "aid", "ucmerced"),
    Question("unseen-aid", "AID, trained on UC Merced", "ucmerced", "aid"),
)


def cells(scale: str) -> list[Cell]:
    """`unseen-classes-seed0`, `unseen-ucmerced-seed0` and `unseen-aid-seed0`, then those of other seeds."""
    return [_cell(question, scale, seed) for seed in range(SEEDS[scale]) for question in QUESTIONS]


def _cell(question: Question, scale: str, seed: int) -> Cell:
    base = RECIPES["default"].model_copy(update={"width": WIDTH[scale], "seed": seed})
    recipes = stage_recipes(base, STAGES[scale])
    matcher = RECIPES["default-matcher"].model_copy(update={"seed": seed})
    key = seeded(question.key, seed)
    settings = {
        **asdict(question),
        "split": {"trained": TRAINED, "validation": VALIDATION, "seed": seed},
        "encoder": base.model_dump(mode="json"),
        "stages": STAGES[scale],
        "matcher": matcher.model_dump(mode="json"),
        "views": VIEWS,
        "weights": WEIGHTS,
    }
    return Cell(key, settings, lambda context: _measure(question, recipes, matcher, context, run_folder(context, key, settings)))


@dataclass(frozen=True, slots=True)
class Parts:
    """Rows of the material. train, validation, test: of what is trained on. asked: what no network has seen."""

    train: Indices
    validation: Indices
    test: Indices
    asked: Indices


def parts_of(question: Question, material: Material) -> Parts:
    """Who is trained on, and who is asked; `asked` shares no image and no class with the others."""
    left_out = [material.images.classes.index(name) for name in question.without]
    is_out = np.isin(material.labels, left_out)
    everything = material.of(question.asked, np.arange(len(material.images), dtype=np.int64))
    train, validation, test = (
        rows[~is_out[rows]]
        for rows in (
            material.of(question.trained, each) for each in (material.train, material.validation, material.test)
        )
    )
    return Parts(train, validation, test, everything[is_out[everything]] if question.without else everything)


def _measure(
    question: Question, recipes: list[Recipe], matching: Recipe, context: Context, folder: Path
) -> dict[str, Any]:
    """Train an encoder and its matcher, and rank what they have not seen, with and without the matcher."""
    folders = {name: context.data / name for name in DATA_SETS}
    seed, size = recipes[-1].seed, recipes[-1].image_size
    material = load_material(
        folders, size, context.cache, train_fraction=TRAINED, validation_fraction=VALIDATION, seed=seed
    )
    parts = parts_of(question, material)
    trained = train_in_stages(
        material,
        recipes,
        context.cache,
        folder / "encoder",
        rows=parts.train,
        callbacks=lambda recipe: [Teller(context.say, f"{recipe.image_size} px", recipe.epochs)],
    )
    asked = _shown(trained, material, parts.asked)
    judged = _judge(trained, material, parts, asked, matching, context, folder / "matcher")
    temperature = fit_temperature(calibrated_on(judged))
    reports = {name: each.reranked(temperature) for name, each in judged.items()}
    found = evaluate(asked.embeddings, asked.labels, unseen(), np.zeros(0, np.int64), np.arange(len(asked.labels)), seed=seed)
    shutil.rmtree(folder, ignore_errors=True)
    return {
        "embedding": {"retrieval": found.retrieval.to_dict(), "clustering": found.clustering.to_dict()},
        "rerank": {name: report.to_dict() for name, report in reports.items()},
        "temperature": temperature.value,
        "images": {name: len(rows) for name, rows in asdict(parts).items()},
    }
