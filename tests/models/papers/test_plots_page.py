"""The papers' plots from cells."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from models.papers.all_cells import all_cells
from models.papers.plots_page import draw
from models.papers.results import Cell, Context, Results


def measured(folder: Path, patterns: Mapping[str, Mapping[str, Any]]) -> Results:
    """The cells of the catalogue whose keys begin so, as if they had been measured."""
    results = Results(folder, "small")
    context = Context(folder, folder, folder, "small", lambda _: None)
    keys = [cell.key for cell in all_cells("small")]
    for start, values in patterns.items():
        found = [key for key in keys if key.startswith(start)]
        assert found
        for key in found:
            results.measure(Cell(key, {}, lambda _, values=values: values), context)  # type: ignore[misc]
    return results


def retrieval(value: float) -> dict[str, Any]:
    return {"retrieval": {"knn_accuracy": value, "map_at_20": value, "mean_average_precision": value}}


def test_nothing_measured_draws_nothing(tmp_path: Path) -> None:
    assert draw(Results(tmp_path, "small")) is None


@pytest.mark.parametrize(
    ("cells", "titles"),
    [
        ({"b-20-nsl": retrieval(0.5)}, None),  # one share is no curve
        (
            {"b-20-nsl": retrieval(0.5), "b-5-nsl": retrieval(0.3)},
            ["Few labels, AID: kNN accuracy, K = 10", "Few labels, AID: MAP@20"],
        ),
        ({"ratio-": retrieval(0.5)}, ["Split ratios, UC Merced"]),
        ({"a-fig10-": {"matcher": {"mean_average_precision": 0.5}}}, ["Split ratios, UC Merced"]),
        ({"a-fig7-": {"matcher": {"mean_average_precision": 0.5, "anmrr": 0.4}}}, ["Folds"]),
        (
            {"sensitivity-": retrieval(0.5), "a-fig7-": {"matcher": {"mean_average_precision": 0.5, "anmrr": 0.4}}},
            ["Folds", "Sensitivity"],
        ),
    ],
)
def test_what_was_measured_is_drawn(tmp_path: Path, cells: Mapping[str, Mapping[str, Any]], titles: list[str] | None) -> None:
    page = draw(measured(tmp_path, cells))
    if titles is None:
        assert page is None
        return
    assert page is not None
    headings = [text.split("</h2>")[0] for text in page.split("<h2>")[1:]]
    assert headings == [*titles, "Details"]
    assert page.count("data:image/svg+xml") == len(titles)
