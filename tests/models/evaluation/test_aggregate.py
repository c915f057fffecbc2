from __future__ import annotations

import json
import statistics

import numpy as np
import pytest

from models.evaluation.aggregate import curve, estimate, sensitivity
from models.evaluation.errors import EvaluationError


def test_an_estimate_is_mean_and_sample_deviation() -> None:
    values = [0.81, 0.79, 0.84, 0.75, 0.80]
    found = estimate(values)
    assert found.runs == 5
    assert found.mean == pytest.approx(statistics.mean(values))
    assert found.std == pytest.approx(statistics.stdev(values))
    assert found.text() == "79.80 ± 3.27"
    assert estimate(0.0904).text(scale=1, digits=3) == "0.090"
    assert estimate(0.5).to_dict() == {"mean": 0.5, "std": None, "runs": 1}


def test_a_curve_ascends_and_keeps_each_points_runs() -> None:
    points = curve({0.8: [0.9, 0.8], 0.3: 0.5})
    assert [point.x for point in points] == [0.3, 0.8]
    assert [point.y.runs for point in points] == [1, 2]
    assert points[1].y.mean == pytest.approx(0.85)


def test_a_table_over_two_parameters_knows_its_best_and_its_gaps() -> None:
    table = sensitivity({(0.05, 0.5): 0.91, (0.1, 0.2): [0.90, 0.94], (0.05, 0.2): 0.90})
    assert (table.rows, table.columns) == ((0.05, 0.1), (0.2, 0.5))
    np.testing.assert_allclose(table.means, [[0.90, 0.91], [0.92, np.nan]])
    assert table.best == (0.1, 0.2)
    assert table.span == pytest.approx(0.02)
    assert json.loads(json.dumps(table.to_dict(), allow_nan=False))["means"][1][1] is None


def test_nothing_has_no_mean() -> None:
    for make in (
        lambda: estimate([]),
        lambda: estimate([np.nan]),
        lambda: curve({}),
        lambda: sensitivity({}),
    ):
        with pytest.raises(EvaluationError):
            make()
