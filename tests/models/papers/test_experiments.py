"""Protocol B, label noise and sensitivity, end to end, by networks of a few channels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.evaluation.protocols import residual_dyad
from models.papers import label_noise, protocol_b, sensitivity
from models.papers.experiments import Experiment, experiment_cell, measure, run_folder, sized
from models.papers.results import Cell, Context, Results
from tests.support.image_folders import write_class_folders

CLASSES = {"Beach": 4, "Forest": 8, "Port": 16}
TINY: dict[str, Any] = {"width": 8, "image_size": 32, "epochs": 2, "steps_per_epoch": 2, "warmup_epochs": 0, "batch_size": 8}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Context:
    root = tmp_path_factory.mktemp("experiments")
    for seed, name in enumerate(("aid", "ucmerced")):
        write_class_folders(root / "data" / name, CLASSES, count=12, seed=seed)
    return Context(root / "data", root / "cache", root / "work", "small", lambda text: None)


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "figures", "small")


def fill(results: Results, cells: list[Cell], values: dict[str, Any], place: Context) -> None:
    """Cells as if they had been measured."""
    for cell in cells:
        results.measure(Cell(cell.key, cell.settings, lambda _: values), place)


def report(**changes: float) -> dict[str, Any]:
    numbers = {"knn_accuracy": 0.5, "map_at_20": 0.6, "map_at_20_strict": 0.4, "mean_average_precision": 0.3, "anmrr": 0.2}
    retrieval = {**numbers, "precision_at": {"10": 0.7}, **changes}
    return {"retrieval": retrieval, "clustering": {"nmi": 0.45, "acc": 0.55}, "images": 96_000}


@pytest.mark.parametrize("method", protocol_b.METHODS)
def test_every_method_runs_from_images_to_figures(method: str, place: Context, results: Results) -> None:
    unlabelled = {"unlabelled_batch_size": 8} if method == "hr-s2dml" else {}
    cell = experiment_cell(f"b-20-{method}", protocol_b.experiment(method, 0.2, "small", 0, **TINY, **unlabelled))
    assert results.measure(cell, place)
    assert not results.measure(cell, place)
    found = results.read(cell.key)
    assert found is not None
    assert (found["labelled"], found["retrieval"]["queries"], found["retrieval"]["database"]) == (6, 30, 6)
    assert found["updates"] == 4
    # six labelled images are all there are for a batch of eight
    assert found["images"] == {"hr-s2dml": 4 * 14}.get(method, 4 * 6)
    assert 0 <= found["retrieval"]["map_at_20_strict"] <= found["retrieval"]["map_at_20"] <= 1
    assert found["clustering"]["clusters"] == 3
    assert not run_folder(place, cell.key, cell.settings).exists()


def test_a_trial_asks_images_held_back_from_training_and_no_test_image(place: Context, tmp_path: Path) -> None:
    found = measure(protocol_b.experiment("nsl", 0.5, "small", 0, validation=0.1, **TINY), place, tmp_path / "run")
    assert found["labelled"] + found["retrieval"]["queries"] == 18
    assert found["retrieval"]["database"] == found["labelled"]


def test_wrong_labels_change_what_is_learned_and_not_what_is_asked(place: Context, tmp_path: Path) -> None:
    protocol, recipe = residual_dyad(0.8), sized("robust-nsl", "small", 0, **TINY)
    clean, noisy = (
        measure(Experiment("ucmerced", protocol, recipe, flipped=share), place, tmp_path / f"{share}") for share in (0.0, 0.5)
    )
    assert clean["retrieval"]["queries"] == noisy["retrieval"]["queries"]
    assert clean["retrieval"]["mean_average_precision"] != noisy["retrieval"]["mean_average_precision"]


def test_the_same_run_gives_the_same_figures(place: Context, tmp_path: Path) -> None:
    experiment = protocol_b.experiment("nsl", 0.5, "small", 3, **TINY)
    first, second = (measure(experiment, place, tmp_path / name) for name in "ab")
    assert first["retrieval"] == second["retrieval"]


def test_other_settings_have_another_folder(place: Context) -> None:
    one, other = (protocol_b.experiment("nsl", 0.2, "small", 0, lr=lr).settings for lr in (0.05, 0.1))
    assert run_folder(place, "key", one) != run_folder(place, "key", other)
    assert run_folder(place, "key", one) == run_folder(place, "key", json.loads(json.dumps(one)))


@pytest.mark.parametrize("scale", ["small", "paper"])
def test_all_methods_have_the_same_budget(scale: str) -> None:
    for fraction in protocol_b.FRACTIONS:
        recipes = [protocol_b.experiment(method, fraction, scale, 0).recipe for method in protocol_b.METHODS]
        assert len({(recipe.epochs, recipe.steps_per_epoch, recipe.batch_size, recipe.image_size) for recipe in recipes}) == 1
        assert recipes[0].unlabelled_batch_size == recipes[0].batch_size


def test_the_paper_scale_is_as_published() -> None:
    experiment = protocol_b.experiment("hr-s2dml", 0.2, "paper", 0)
    recipe = experiment.recipe
    assert (recipe.image_size, recipe.width, recipe.epochs, recipe.batch_size, recipe.lr) == (256, 64, 100, 256, 1e-3)
    assert (recipe.steps_per_epoch, experiment.imagenet) == (31, True)


@pytest.mark.parametrize("module", [protocol_b, label_noise, sensitivity])
@pytest.mark.parametrize("scale", ["small", "paper"])
def test_keys_are_unique_and_settings_plain(module: Any, scale: str) -> None:
    cells = module.cells(scale)
    assert len({cell.key for cell in cells}) == len(cells)
    for cell in cells:
        assert cell.key == cell.key.lower()
        assert json.loads(json.dumps(cell.settings)) == cell.settings


def test_the_most_wanted_cells_come_first() -> None:
    keys = [cell.key for cell in protocol_b.cells("small")]
    assert keys[:4] == ["b-20-hr-s2dml-seed0", "b-20-d-cnn-seed0", "b-20-triplet-seed0", "b-20-nsl-seed0"]
    assert keys[4:6] == ["b-20-nsl-attention-seed0", "b-5-hr-s2dml-seed0"]


def test_tables_without_results_show_the_paper_only(results: Results) -> None:
    text = protocol_b.render(results)
    assert text.startswith("Not run yet.")
    assert "| HR-S2DML | – | – | – | – |" in text
    assert "| HR-S2DML, the paper | 88.43 | 95.05 | 96.99 | 97.62 |" in text
    assert "| robust NSL, 20 % wrong | – |" in label_noise.render(results)
    assert "| τ = 0.05, the paper | 90.44 | 91.34 | 91.40 |" in sensitivity.render(results)


def test_tables_show_what_was_measured_and_how(results: Results, place: Context) -> None:
    cells = [cell for cell in protocol_b.cells("small") if cell.key.startswith("b-20")]
    fill(results, [cell for cell in cells if "hr" not in cell.key], report(), place)
    fill(results, [cell for cell in cells if "hr" in cell.key], report(knn_accuracy=0.9), place)
    text = protocol_b.render(results)
    assert (
        "Run: ResNet-18 of width 32 from scratch, 64 px, 1500 updates of 64 labelled images, SGD at 0.05 (cosine), seed 0."
        in text
    )
    assert "| HR-S2DML | – | – | – | 90.00 |" in text
    assert "| NSL, strict | – | – | – | 40.00 |" in text
    assert "- Images forward and backward in a run at 20 %: HR-S2DML 96 000, D-CNN 96 000, Triplet 96 000, NSL 96 000" in text
    assert "- Order by kNN at 20 %: HR-S2DML > D-CNN > Triplet > NSL (the paper: HR-S2DML > D-CNN > Triplet > NSL)" in text


def test_several_seeds_are_a_mean_and_a_deviation(results: Results, place: Context) -> None:
    experiments = [protocol_b.experiment("nsl", 0.05, "small", seed) for seed in range(2)]
    for seed, accuracy in enumerate((0.5, 0.6)):
        fill(results, [experiment_cell(f"b-5-nsl-seed{seed}", experiments[seed])], report(knn_accuracy=accuracy), place)
    text = protocol_b.render(results)
    assert f"| NSL | 55.00 ± {100 * np.std([0.5, 0.6], ddof=1):.2f} |" in text


def test_trials_are_listed_with_what_they_gave(results: Results, place: Context) -> None:
    fill(results, protocol_b.trial_cells("small")[:1], report(), place)
    assert "| hr-s2dml-lr020 | 50.00 |" in protocol_b.render(results)


def test_the_table_of_noise(results: Results, place: Context) -> None:
    fill(results, label_noise.cells("small"), report(), place)
    assert "| NSL, 20 % wrong | 30.00 | 0.2000 | 70.00 | 50.00 | 45.00 |" in label_noise.render(results)


@pytest.mark.parametrize(
    ("scale", "run"),
    [("small", "EfficientNet-Lite0 with ImageNet weights at 192 px, frozen"), ("paper", "ResNet-18 of width 64")],
)
def test_the_tables_of_sensitivity(scale: str, run: str, tmp_path: Path, place: Context) -> None:
    results = Results(tmp_path, scale)
    cells = [cell for cell in sensitivity.cells(scale) if cell.key.endswith("seed0")]
    fill(results, [cell for cell in cells if "unit" not in cell.key], report(), place)
    fill(results, [cell for cell in cells if "unit" in cell.key], report(knn_accuracy=0.6), place)
    text = sensitivity.render(results)
    assert text.startswith(f"Run: {run}")
    assert "| τ = 0.1 | 50.00 | 50.00 | 50.00 |" in text
    assert "| τ = 0.1, unit vectors in eq. 6 | 60.00 | 60.00 | 60.00 |" in text
    assert "| τ = 0.1, the paper | 90.90 | 91.59 | 91.40 |" in text
    assert "| ANMRR | 0.2000 |" in text


def test_residual_attention_is_nsl_with_another_network() -> None:
    cells = {cell.key: dict(cell.settings) for cell in protocol_b.cells("small")}
    plain, attention = cells["b-5-nsl-seed0"], cells["b-5-nsl-attention-seed0"]
    assert attention["recipe"] == plain["recipe"] | {"backbone": "attention-resnet18"}
    assert {key: value for key, value in attention.items() if key != "recipe"} == {
        key: value for key, value in plain.items() if key != "recipe"
    }
