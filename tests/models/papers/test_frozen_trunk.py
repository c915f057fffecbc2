"""The table of all losses on frozen features."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from models.papers import protocol_b
from models.papers.frozen_head import SEEDS
from models.papers.frozen_trunk import FRACTIONS, LOSSES, cells, prefix, render
from models.papers.results import Cell, Context, Results
from models.papers.seed_cells import seeded


def _values(values: dict[str, Any], _: Context) -> dict[str, Any]:
    return values


def test_the_table_has_the_papers_values_beside_ours(tmp_path_factory: pytest.TempPathFactory, context: Context) -> None:
    results = Results(tmp_path_factory.mktemp("results"), "small")
    for place, name in enumerate(protocol_b.METHODS):
        for seed in range(SEEDS):
            retrieval = {"knn_accuracy": 0.9 - place / 10 + seed / 100, "map_at_20": 0.5}
            values = {"retrieval": retrieval, "clustering": {"nmi": 0.4, "acc": 0.3}}
            results.measure(Cell(seeded(prefix(0.05, name), seed), {}, functools.partial(_values, values)), context)
    text = render(results)
    assert "| HR-S2DML | 91.00 ± 1.00 | 83.19 |" in text
    assert "by kNN at 5 %: HR-S2DML > D-CNN > Triplet > NSL" in text
    assert "at 20 %:" not in text
    assert len(cells("small")) == len(FRACTIONS) * SEEDS * (len(LOSSES) + 1)
