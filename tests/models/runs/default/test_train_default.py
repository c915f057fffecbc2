from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from models.bundle.trained_card import TrainedCard
from models.evaluation.metrics.rerank import NO_LOSS
from models.evaluation.metrics.shortlists import weight_grid
from models.export.write_bundle import read_bundle
from models.runs.default.plan import Plan
from models.runs.default.stages import stage_recipes, train_in_stages
from models.runs.default.train_default import load_default, train_default
from models.training.logs.jsonlines import JsonLines
from tests.support.image_folders import write_class_folders

CLASSES = {"beach": 4, "pond": 8, "road": 16}


def tiny_plan() -> Plan:
    base = Plan()
    small = base.recipes[0].model_copy(update={"width": 8, "batch_size": 16})
    return replace(
        base,
        model_id="tiny",
        train_fraction=0.6,
        validation_fraction=0.2,
        recipes=tuple(stage_recipes(small, ((32, 2, 0.05), (64, 1, 0.02)))),
        twin_recipes=tuple(stage_recipes(small, ((32, 1, 0.05), (64, 1, 0.02)))),
        matcher=base.matcher.model_copy(update={"width": 8, "epochs": 1, "batch_size": 16}),
        held_out=("Beach", "Pond"),
        views=1,
        int8_loss=100.0,  # a network that has learned next to nothing
        same_class={"beach": "Beach", "pond": "Pond"},
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainedCard]:
    root = tmp_path_factory.mktemp("default")
    write_class_folders(root / "data" / "ucmerced", CLASSES, size=64)
    write_class_folders(root / "data" / "aid", {"Beach": 4, "Pond": 8, "Desert": 32}, size=64, seed=1)
    card = train_default(tiny_plan(), root / "data", root / "out", root / "work", Console(quiet=True))
    return root, card


def test_the_bundle_is_whole_and_its_card_says_where_it_comes_from(trained: tuple[Path, TrainedCard]) -> None:
    root, card = trained
    bundle = read_bundle(root / "out" / "tiny")
    assert bundle.matcher is not None
    assert bundle.card == card
    assert card.precision == "int8"
    assert "research use" in card.training_data
    ranked = {"unseen classes", "validation", "test of aid", "test of aid over training"}
    assert {"ucmerced", "aid", "calibration"} | {f"rerank, {name}" for name in ranked} <= set(card.metrics)
    sets = card.splits["sets"]
    assert sum(sets[name][part] for name in sets for part in ("train", "validation", "test")) == 72


def test_every_weight_that_was_tried_is_put_down(trained: tuple[Path, TrainedCard]) -> None:
    root, card = trained
    found = json.loads((root / "work" / "rerank.json").read_text())
    assert {f"rerank, {name}" for name in found} <= set(card.metrics)
    assert all(set(report["after"]) == set(map(str, weight_grid(has_matcher=True))) for report in found.values())


def test_the_fusion_weight_harms_neither_validation_images_nor_unseen_classes(trained: tuple[Path, TrainedCard]) -> None:
    _, card = trained
    for name in ("validation", "validation over training", "unseen classes"):
        values = card.metrics[f"rerank, {name}"].values
        measured = ("p_at_10", "p_at_50", "map_at_depth")
        gains = [values[f"{measure}_after"] - values[f"{measure}_before"] for measure in measured]
        assert sum(gains) / len(gains) >= -NO_LOSS


def test_the_same_command_again_trains_nothing_again(trained: tuple[Path, TrainedCard]) -> None:
    root, _ = trained
    plan = tiny_plan()
    material = load_default(plan, root / "data", root / "work" / "cache")
    log = root / "again.jsonl"
    train_in_stages(
        material, plan.recipes, root / "work" / "cache", root / "work" / "embedder", callbacks=lambda _: [JsonLines(log)]
    )
    assert [json.loads(line)["event"] for line in log.read_text().splitlines()] == ["start", "end"]
