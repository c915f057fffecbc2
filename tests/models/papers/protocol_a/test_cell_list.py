"""Every row of protocol A, end to end, by networks of a few channels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.papers.protocol_a import cell_list
from models.papers.protocol_a.budget import AUTOENCODERS, MATCHERS, PAPER, SMALL, STAGES, WEIGHT, Budget
from models.papers.protocol_a.tables import OURS, render_figures, render_table1, render_table2, render_table3
from models.papers.results import Cell, Context, Results
from models.training.recipes.recipe import Recipe

SMALLEST: dict[str, Any] = {
    "width": 8,
    "image_size": 64,
    "epochs": 1,
    "steps_per_epoch": 2,
    "batch_size": 8,
    "warmup_epochs": 0,
}


def shrink(recipe: Recipe) -> Recipe:
    width = 64 if recipe.backbone == "googlenet" else 8
    # after two updates at a real rate, batch norm's averages are those of another network, and maps overflow
    return recipe.model_copy(update={**SMALLEST, "width": width, "lr": 1e-4})


TINY = Budget(
    supervised={name: shrink(recipe) for name, recipe in SMALL.supervised.items()},
    autoencoder={name: shrink(recipe) for name, recipe in SMALL.autoencoder.items()},
    epochs={"landuse": 1, "aid": 1, "finetuned": 1},
    matcher={name: shrink(recipe) for name, recipe in SMALL.matcher.items()},
    siamese=shrink(SMALL.siamese),
    views=1,
    map_size=4,
)
ROWS = {cell.key: cell for cell in [*cell_list.table2_cells(TINY), *cell_list.table3_cells(TINY)]}


def check(values: dict[str, Any], rankings: set[str]) -> None:
    """Six test images query all 29 others."""
    assert set(values) == rankings
    for name in rankings - {"two_stage"}:
        assert (values[name]["queries"], values[name]["database"]) == (6, 29)
        assert 0 < values[name]["mean_average_precision"] <= 1
    if "two_stage" in rankings:
        assert values["two_stage"]["before"]["anmrr"] == pytest.approx(values["euclid"]["anmrr"])


@pytest.mark.parametrize("key", sorted(ROWS))
def test_every_row_of_tables_2_and_3_is_measured(key: str, context: Context, tmp_path: Path) -> None:
    results = Results(tmp_path, "small")
    assert results.measure(ROWS[key], context)
    values = results.read(key)
    assert values is not None
    check(values, {"euclid"} if "table3" in key else {"euclid", "matcher", "two_stage"})


def test_table_1_shares_its_autoencoders(context: Context, tmp_path: Path) -> None:
    results = Results(tmp_path, "small")
    cells = [cell_list.table1_cell(TINY, "resdyad-ae", "finetuned", matcher) for matcher in MATCHERS]
    for cell in cells:
        results.measure(cell, context)
    trained = sorted(path.name.rsplit("-", 1)[0] for path in (context.work / "protocol-a").glob("resdyad-ae*"))
    assert trained == ["resdyad-ae-aid", "resdyad-ae-finetuned"]
    first, second = (results.read(cell.key) for cell in cells)
    assert first is not None and second is not None
    check(first, {"euclid", "matcher", "two_stage"})
    assert first["euclid"] == second["euclid"]
    assert not results.measure(cells[0], context)


def test_other_splits_are_measured_too(context: Context, tmp_path: Path) -> None:
    results = Results(tmp_path, "small")
    results.measure(cell_list.dyad_cell(TINY, "a-fig10-50", fraction=0.5), context)
    results.measure(cell_list.dyad_cell(TINY, "a-fig7-fold2", fold=1), context)
    half, fold = results.read("a-fig10-50"), results.read("a-fig7-fold2")
    assert half is not None and half["matcher"]["queries"] == 15
    assert fold is not None and fold["matcher"]["queries"] == 6


@pytest.mark.parametrize("scale", ["small", "paper"])
def test_cells_have_keys_of_their_own_and_plain_settings(scale: str) -> None:
    cells = cell_list.cells(scale)
    keys = [cell.key for cell in cells]
    assert len(set(keys)) == len(keys) == 6 + 1 + 2 + 2 + 11 + 6 + 5
    assert {cell_list.table1_key(b, s, m) for b in AUTOENCODERS for s in STAGES for m in MATCHERS} <= set(keys)
    assert all(json.dumps(dict(cell.settings)) for cell in cells)


def test_the_papers_settings() -> None:
    for recipe in (*PAPER.autoencoder.values(), *PAPER.matcher.values(), PAPER.siamese):
        assert (recipe.lr, recipe.decay, recipe.patience, recipe.image_size, recipe.width) == (1e-3, 0.2, 10, 256, 64)


def test_tables_show_ours_beside_the_papers(tmp_path: Path) -> None:
    results = Results(tmp_path, "small")
    assert render_table1(results).startswith("Not run yet.")
    assert "| – | 81.20 |" in render_table2(results)

    report = {"mean_average_precision": 0.5, "anmrr": 0.25, "precision_at": {"5": 0.75}}
    fused = {f"{WEIGHT:g}": {**report, "mean_average_precision": 0.625}}
    values = {"euclid": report, "matcher": report, "two_stage": {"after": fused}}
    ours = cell_list.table1_cell(SMALL, "resdyad-ae", "finetuned", "resdyad-dml")
    results.measure(Cell(OURS, ours.settings, lambda context: values), Context(tmp_path, tmp_path, tmp_path, "small", print))
    assert "| 0.250 | 0.09 | 50.00 | 81.20 |" in render_table1(results)
    assert "resdyad-ae of width 32 at 96 px" in render_table1(results)
    assert "| ResDyadAE | 50.00 | 4.64 | 50.00 | 81.20 | 62.50 | 0.250 |" in render_table2(results)
    assert "| ResDyadAE, ResDyadDML | 0.250 | 50.00 | 75.00 | – |" in render_table3(results)
    assert "80.79 ± 5.65" in render_figures(results)
