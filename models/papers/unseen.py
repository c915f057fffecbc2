"""Unseen images: six classes of AID left out of training, and each data set evaluated with networks trained on the other."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

from models.evaluation.metrics.rerank import WEIGHTS
from models.papers.experiments import run_folder
from models.papers.markdown import markdown_table
from models.papers.results import Cell, Context, Results
from models.papers.seed_cells import SEEDS, Pick, measured, seeded, shown
from models.papers.unseen_run import TRAINED, VALIDATION, VIEWS, Networks, Question, measure
from models.runs.default.stages import stage_recipes
from models.training.recipes.named_recipes import RECIPES

HELD_OUT = ("Church", "DenseResidential", "Mountain", "Pond", "RailwayStation", "StorageTanks")
"""One class each of buildings, settlements, relief, water, transport and industry."""
QUESTIONS = (
    Question("unseen-classes", "six classes of AID, trained on its others", "aid", "aid", HELD_OUT),
    Question("unseen-ucmerced", "UC Merced, trained on AID", "aid", "ucmerced"),
    Question("unseen-aid", "AID, trained on UC Merced", "ucmerced", "aid"),
)

WIDTH: Mapping[str, int] = MappingProxyType({"small": 32, "paper": 64})
STAGES: Mapping[str, tuple[tuple[int, int, float], ...]] = MappingProxyType(
    {"small": ((64, 16, 0.05), (96, 5, 0.03)), "paper": ((128, 40, 0.05), (192, 20, 0.04), (256, 20, 0.025))}
)
"""(pixels per side, epochs, learning rate), by scale; there is no published run of this."""

_COLUMNS: Mapping[str, tuple[Pick, bool]] = MappingProxyType(
    {
        "mAP": (lambda cell: float(cell["embedding"]["retrieval"]["mean_average_precision"]), True),
        "ANMRR": (lambda cell: float(cell["embedding"]["retrieval"]["anmrr"]), False),
        "P@10": (lambda cell: float(cell["embedding"]["retrieval"]["precision_at"]["10"]), True),
        "kNN accuracy": (lambda cell: float(cell["embedding"]["retrieval"]["knn_accuracy"]), True),
        "NMI": (lambda cell: float(cell["embedding"]["clustering"]["nmi"]), True),
    }
)
_RANKED = ("unseen", "test")


def cells(scale: str) -> list[Cell]:
    """`unseen-classes-seed0`, `unseen-ucmerced-seed0` and `unseen-aid-seed0`, then those of other seeds."""
    return [_cell(question, scale, seed) for seed in range(SEEDS[scale]) for question in QUESTIONS]


def networks(scale: str, seed: int) -> Networks:
    """The default bundle's recipes, a smaller network and fewer epochs at the small scale."""
    base = RECIPES["default"].model_copy(update={"width": WIDTH[scale], "seed": seed})
    matcher = RECIPES["default-matcher"].model_copy(update={"width": WIDTH[scale], "seed": seed})
    return Networks(stage_recipes(base, STAGES[scale]), matcher)


def render(results: Results) -> str:
    """The embedding alone, then the gain of mAP by each weight of the matcher."""
    alone = [
        [
            question.title,
            *(
                shown(results, question.key, pick, percent=percent, digits=2 if percent else 4)
                for pick, percent in _COLUMNS.values()
            ),
        ]
        for question in QUESTIONS
    ]
    weights = [f"{weight:g}" for weight in WEIGHTS if weight]
    gains = [
        [
            f"{question.title}: {ranked}",
            shown(results, question.key, _quality(ranked, None)),
            *(shown(results, question.key, _gain(ranked, weight)) for weight in weights),
        ]
        for question in QUESTIONS
        for ranked in _RANKED
    ]
    return "\n\n".join(
        [
            f"{_what_was_run(results)} {_CAPTION}",
            markdown_table(["asked for, by the embedding alone", *_COLUMNS], alone),
            _GAINS,
            markdown_table(["ranked", "mAP alone", *weights], gains),
        ]
    )


def _cell(question: Question, scale: str, seed: int) -> Cell:
    own = networks(scale, seed)
    settings: dict[str, Any] = {
        **asdict(question),
        "split": {"trained": TRAINED, "validation": VALIDATION, "seed": seed},
        "encoder": own.stages[0].model_dump(mode="json", exclude={"image_size", "epochs", "lr"}),
        "stages": [list(stage) for stage in STAGES[scale]],
        "matcher": own.matcher.model_dump(mode="json", exclude={"image_size"}),
        "views": VIEWS,
    }
    key = seeded(question.key, seed)

    def run(context: Context) -> dict[str, Any]:
        folder = run_folder(context, key, settings)
        values = measure(question, own, context, folder)
        shutil.rmtree(folder, ignore_errors=True)
        return values

    return Cell(key, settings, run)


def _quality(ranked: str, weight: str | None) -> Pick:
    """mAP of one ranking, before re-ranking or with a weight."""

    def pick(cell: Mapping[str, Any]) -> float:
        report = cell["rerank"][ranked]
        return float((report["before"] if weight is None else report["after"][weight])["mean_average_precision"])

    return pick


def _gain(ranked: str, weight: str) -> Pick:
    before, after = _quality(ranked, None), _quality(ranked, weight)
    return lambda cell: after(cell) - before(cell)


def _what_was_run(results: Results) -> str:
    keys = [key for question in QUESTIONS for key in measured(results, question.key)]
    settings = results.settings(keys[0]) if keys else None
    if settings is None:
        return "Not run yet."
    stages = ", then ".join(f"{epochs} epochs at {size} px (rate {rate:g})" for size, epochs, rate in settings["stages"])
    seeds = ", ".join(sorted({key.rpartition("seed")[2] for key in keys}))
    return (
        f"Run: ResNet-18 of width {settings['encoder']['width']} from scratch, the default recipe's loss and augmentation, "
        f"{stages}; matcher {settings['matcher']['epochs']} epochs; seed {seeds}."
    )


_CAPTION = (
    f"The six classes are {', '.join(HELD_OUT[:-1])} and {HELD_OUT[-1]}; all their images query each other; nothing else is "
    "ranked. Of another data set all images do. Of what is trained on, 76 % of each class trains, 4 % calibrates the matcher, "
    "20 % is tested on."
)
_GAINS = (
    "Points of mAP that re-ranking the first 100 adds, by the matcher's weight in the fused score. *Test* images are of the "
    "classes that were trained on, and query each other."
)
