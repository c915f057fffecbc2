"""The papers' plots as SVG: no window, no global state, equal bytes for equal numbers."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from models.evaluation.aggregate import CurvePoint, Sensitivity
from models.evaluation.errors import EvaluationError
from models.evaluation.metrics.calibration import Calibration, Reliability
from models.evaluation.metrics.neighbours import Confusion
from models.evaluation.metrics.rerank import RerankReport, Weights
from models.evaluation.report.projection import EmbeddingMap

ACCENT, SECOND, MUTED, INK = "#0b5f93", "#c2410c", "#5a666e", "#1a2126"
SERIES = (ACCENT, SECOND, "#18794e", "#8b5cb8", "#b8860b", "#0f8b8d", "#c2417e", "#5a666e")
HEAT = "Blues"
_STYLE: Any = {  # whose keys matplotlib types as hundreds of literals
    "svg.fonttype": "none",
    "svg.hashsalt": "dyad",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": "#aab3b9",
    "axes.labelcolor": MUTED,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#e6e9eb",
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}
# Layout uses the widest of these fonts, so that text fits with any of them.
_FONTS = b"'Inter', 'Segoe UI', 'Helvetica Neue', 'Liberation Sans', Arial"


def precision_recall_plot(curves: Mapping[str, Sequence[float]]) -> bytes:
    """Interpolated precision at recall 0, 0.01, ... 1 (`RetrievalReport.precision_recall`), by name."""
    with mpl.rc_context(_STYLE):
        figure, axes = _axes(5.2, 3.9)
        for (name, values), colour in zip(curves.items(), _colours(len(curves)), strict=True):
            axes.plot(np.linspace(0, 1, len(values)), values, color=colour, label=name)
            if len(curves) == 1:
                axes.fill_between(np.linspace(0, 1, len(values)), values, color=colour, alpha=0.08, linewidth=0)
        axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
        _legend(axes, len(curves))
        return _svg(figure)


def class_plot(models: Mapping[str, Mapping[str, float]]) -> bytes:
    """A measure of each class, 0..1, by model; classes from the first model's best to its worst (residual-dyad, figure 9)."""
    with mpl.rc_context(_STYLE):
        first = next(iter(models.values()))
        names = sorted(first, key=lambda name: first[name])
        figure, axes = _axes(5.2, max(1.4, 0.23 * len(names) + 0.7))
        thickness = 0.72 / len(models)
        for index, ((model, values), colour) in enumerate(zip(models.items(), _colours(len(models)), strict=True)):
            offset = (0.5 * (len(models) - 1) - index) * thickness
            widths = [values.get(name, 0.0) for name in names]
            axes.barh(np.arange(len(names)) + offset, widths, thickness, color=colour, label=model)
            if len(models) == 1:
                for place, width in enumerate(widths):
                    axes.text(width + 0.01, place, f"{100 * width:.1f}", va="center", color=MUTED, fontsize=7.5)
        axes.set(xlim=(0, 1.08), ylim=(-0.6, len(names) - 0.4), yticks=np.arange(len(names)), yticklabels=names)
        axes.set_xticks(np.linspace(0, 1, 6))
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        _legend(axes, len(models))
        return _svg(figure)


def confusion_plot(confusion: Confusion) -> bytes:
    """Shares of each row in percent; those below 0.5 % are left white."""
    count = len(confusion.names)
    with mpl.rc_context(_STYLE):
        side = max(3.6, 0.26 * count + 1.6)
        figure, axes = _axes(side, side)
        _heat(
            axes,
            100 * confusion.shares,
            confusion.names,
            confusion.names,
            text=lambda value: f"{value:.0f}" if value >= 0.5 else "",
        )
        axes.set(xlabel="found", ylabel="query")
        return _svg(figure)


def sensitivity_plot(table: Sensitivity, *, rows: str = "τ", columns: str = "m") -> bytes:
    """A measure in percent by two parameters, with its best value framed (HR-S2DML, tables 5 and 6)."""
    with mpl.rc_context(_STYLE):
        figure, axes = _axes(1.2 + 0.75 * len(table.columns), 1.0 + 0.42 * len(table.rows))
        labels = [[f"{value:g}" for value in each] for each in (table.rows, table.columns)]
        _heat(axes, 100 * table.means, *labels, text=lambda value: f"{value:.2f}", low=float(100 * np.nanmin(table.means)))
        row, column = table.rows.index(table.best[0]), table.columns.index(table.best[1])
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=SECOND, linewidth=2, clip_on=False))
        axes.set(xlabel=columns, ylabel=rows)
        return _svg(figure)


def curve_plot(curves: Mapping[str, Sequence[CurvePoint]], *, x: str, y: str) -> bytes:
    """A measure by a setting, with a band of one standard deviation, by name (residual-dyad, figure 10)."""
    with mpl.rc_context(_STYLE):
        figure, axes = _axes(5.2, 3.4)
        for (name, points), colour in zip(curves.items(), _colours(len(curves)), strict=True):
            settings = [point.x for point in points]
            means = np.array([point.y.mean for point in points])
            spread = np.array([point.y.std or 0.0 for point in points])
            axes.plot(settings, means, "o-", color=colour, markersize=4, label=name)
            axes.fill_between(settings, means - spread, means + spread, color=colour, alpha=0.15, linewidth=0)
        axes.set(xlabel=x, ylabel=y)
        _legend(axes, len(curves))
        return _svg(figure)


def folds_plot(measures: Mapping[str, Sequence[float]]) -> bytes:
    """A panel for each measure: a bar for each fold, their mean as a line (residual-dyad, figure 7)."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(2.8 * len(measures), 2.6), layout="constrained")
        for panel, (name, values) in enumerate(measures.items(), 1):
            axes = figure.add_subplot(1, len(measures), panel)
            axes.bar(np.arange(1, len(values) + 1), values, 0.62, color=ACCENT)
            axes.axhline(float(np.mean(values)), color=SECOND, linestyle="--", linewidth=1.2)
            axes.set(xlabel="fold", title=name, xticks=np.arange(1, len(values) + 1))
            axes.grid(visible=False, axis="x")
        return _svg(figure)


def map_plot(shown: EmbeddingMap, labels: ArrayLike) -> bytes:
    """An embedding map with the name of each class at its centre. labels: (N,), of all embeddings."""
    classes = np.asarray(labels)[shown.rows]
    with mpl.rc_context(_STYLE):
        figure, axes = _axes(9.2, 6.6)
        size = float(np.clip(30_000 / len(classes), 9, 40))
        names = np.unique(classes)
        colours = mpl.colormaps["turbo"](np.linspace(0.04, 0.96, len(names)))
        for name, colour in zip(names, colours, strict=True):
            points = shown.points[classes == name]
            axes.scatter(points[:, 0], points[:, 1], s=size, color=[colour], linewidths=0, alpha=0.75, rasterized=True)
        label = {"boxstyle": "round,pad=0.15", "facecolor": "white", "alpha": 0.75, "linewidth": 0}
        for name in names:
            # The point nearest to the median: the median itself may lie between two groups.
            points = shown.points[classes == name]
            middle = points[np.argmin(np.sum((points - np.median(points, axis=0)) ** 2, axis=1))]
            axes.text(middle[0], middle[1], str(name), ha="center", va="center", fontsize=8, bbox=label)
        axes.set_axis_off()
        return _svg(figure)


def reliability_plot(calibration: Calibration) -> bytes:
    """Share of matches by probability on the test pairs, before and after calibration, and the number of pairs."""
    found: dict[str, Reliability] = {
        "raw": calibration.raw,
        f"Platt, scale {calibration.platt.scale:.2f}": calibration.by_platt,
        "isotonic": calibration.by_isotonic,
    }
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(5.2, 4.6), layout="constrained")
        axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(3.4, 1))
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle="--")
        for (name, each), colour in zip(found.items(), SERIES, strict=False):
            places = [part.probability for part in each.bins]
            axes.plot(
                places,
                [part.matches for part in each.bins],
                "o-",
                markersize=4,
                color=colour,
                label=f"{name}: ECE {each.error:.3f}",
            )
            below.plot(places, [part.pairs for part in each.bins], color=colour)
        axes.set(ylabel="share of matches", xlim=(0, 1), ylim=(0, 1))
        below.set(xlabel="match probability", ylabel="pairs", yscale="log")
        axes.legend(loc="upper left")
        return _svg(figure)


def rerank_plot(reports: Mapping[str, RerankReport], weights: Weights) -> bytes:
    """Gain of mAP in points, and ANMRR, by the matcher's weight, for each data set. weights: the chosen ones.

    The weight of the neighbourhoods is the chosen one; without a matcher, the curves are by this weight instead.
    """
    has_matcher = any(each.matcher for report in reports.values() for each in report.after)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.2, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        left.axhline(0, color=MUTED, linewidth=1, linestyle="--")
        for (name, report), colour in zip(reports.items(), _colours(len(reports)), strict=True):
            shown = [each for each in report.after if not has_matcher or each.neighbours == weights.neighbours]
            places = [each.matcher if has_matcher else each.neighbours for each in shown]
            left.plot(places, [100 * report.gain(*each) for each in shown], "o-", markersize=4, color=colour, label=name)
            right.plot(places, [report.at(*each).anmrr for each in shown], "o-", markersize=4, color=colour, label=name)
            right.axhline(report.before.anmrr, color=colour, linewidth=1, linestyle="--")
        for axes, name in ((left, "gain of mAP, points"), (right, "ANMRR")):
            axes.set_xscale("symlog", linthresh=0.005)
            axes.set(xlabel=f"weight of the {'matcher' if has_matcher else 'neighbourhoods'}", ylabel=name)
        if len(reports) > 1:
            figure.legend(*left.get_legend_handles_labels(), loc="outside upper left", ncols=3)
        return _svg(figure)


def _heat(
    axes: Axes,
    values: NDArray[np.float64],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    text: Callable[[float], str],
    low: float = 0.0,
) -> None:
    high = float(np.nanmax(values))
    axes.imshow(np.ma.masked_invalid(values), cmap=HEAT, vmin=low, vmax=max(high, low + 1e-9), aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            is_dark = value - low > 0.55 * (high - low)
            axes.text(column, row, text(value), ha="center", va="center", fontsize=7, color="white" if is_dark else INK)
    axes.set_xticks(np.arange(len(columns)), columns, rotation=0 if max(map(len, columns)) < 6 else 90)
    axes.set_yticks(np.arange(len(rows)), rows)
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _colours(count: int) -> Sequence[str]:
    if not 1 <= count <= len(SERIES):
        raise EvaluationError(f"a plot shows 1 to {len(SERIES)} series, not {count}")
    return SERIES[:count]


def _legend(axes: Axes, count: int) -> None:
    if count > 1:
        axes.legend()


def _svg(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", dpi=200, transparent=True, metadata={"Date": None})
    return buffer.getvalue().replace(b"'DejaVu Sans'", _FONTS)
