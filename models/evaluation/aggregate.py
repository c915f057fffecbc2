"""Aggregation of runs: mean and deviation over folds and seeds, curves over split ratios, tables over tau and m."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.evaluation.errors import EvaluationError

Values = float | Sequence[float]
"""One run, or several of the same setting."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Mean of `runs` values and their standard deviation (n - 1 in the divisor); None for a single run."""

    mean: float
    std: float | None
    runs: int

    def text(self, *, scale: float = 100, digits: int = 2) -> str:
        """Text for tables: "80.79 ± 5.65", in percent by default."""
        mean = f"{scale * self.mean:.{digits}f}"
        return mean if self.std is None else f"{mean} ± {scale * self.std:.{digits}f}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"mean": self.mean, "std": self.std, "runs": self.runs}


def estimate(values: Values) -> Estimate:
    """The mean and deviation of one or more finite values.

    Raises:
        EvaluationError: there is no value, or one is not finite.
    """
    numbers = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if len(numbers) == 0 or not np.isfinite(numbers).all():
        raise EvaluationError(f"a mean needs finite values, at least one, not {numbers.tolist()}")
    spread = float(numbers.std(ddof=1)) if len(numbers) > 1 else None
    return Estimate(float(numbers.mean()), spread, len(numbers))


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A point of a curve. x: setting, for instance the share of training images. y: the measure."""

    x: float
    y: Estimate


def curve(results: Mapping[float, Values]) -> list[CurvePoint]:
    """A measure by a setting, ascending: `{0.8: [0.81, 0.80], 0.3: 0.62}`, as in figure 10 of residual-dyad.

    Raises:
        EvaluationError: there is no point, or a value is not finite.
    """
    if not results:
        raise EvaluationError("a curve needs at least one point")
    return [CurvePoint(x, estimate(results[x])) for x in sorted(results)]


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """A measure by two parameters. rows, columns: their values, ascending. means: (R, C), NaN without a run."""

    rows: tuple[float, ...]
    columns: tuple[float, ...]
    means: NDArray[np.float64]

    @property
    def best(self) -> tuple[float, float]:
        """The row and column with the highest mean; the first of equal ones."""
        row, column = np.unravel_index(int(np.nanargmax(self.means)), self.means.shape)
        return self.rows[row], self.columns[column]

    @property
    def span(self) -> float:
        """Highest mean minus the lowest, the sensitivity to the choice."""
        return float(np.nanmax(self.means) - np.nanmin(self.means))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; None without a run."""
        means = [[None if math.isnan(value) else value for value in row] for row in self.means.tolist()]
        return {"rows": list(self.rows), "columns": list(self.columns), "means": means}


def sensitivity(results: Mapping[tuple[float, float], Values]) -> Sensitivity:
    """The table of `{(tau, m): accuracy}`, as tables 5 and 6 of HR-S2DML.

    Raises:
        EvaluationError: there is no result, or a value is not finite.
    """
    if not results:
        raise EvaluationError("a table needs at least one result")
    rows, columns = (tuple(sorted({key[axis] for key in results})) for axis in (0, 1))
    means = np.full((len(rows), len(columns)), np.nan)
    for (row, column), values in results.items():
        means[rows.index(row), columns.index(column)] = estimate(values).mean
    return Sensitivity(rows, columns, means)
