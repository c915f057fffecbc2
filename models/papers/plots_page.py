"""An HTML page with the papers' plots of the measured cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.evaluation.aggregate import CurvePoint, curve, sensitivity
from models.evaluation.protocols import RESIDUAL_DYAD_FOLDS, RESIDUAL_DYAD_FRACTIONS
from models.evaluation.report.html import Page, Section, render
from models.evaluation.report.sections import folds_section, sensitivity_section, split_section
from models.papers import protocol_b
from models.papers import sensitivity as trials
from models.papers.results import Results
from models.papers.seed_cells import values


def draw(results: Results) -> str | None:
    """The page as HTML; None if no cell of a plot is measured."""
    sections = [each for part in (_shares, _folds, _sensitivity) for each in part(results)]
    if not sections:
        return None
    subtitle = "Plots of the cells measured by `make results`; the tables are in docs/results.md."
    return render(Page("Figures of the papers", subtitle, [], [("scale", results.scale)], sections))


def _shares(results: Results) -> list[Section]:
    """Measures by share of training images: HR-S2DML's tables, residual-dyad's figure 10."""
    trained: dict[str, dict[float, Sequence[float]]] = {
        "ResDyadDML, mAP": {
            share: [float(cell["matcher"]["mean_average_precision"])]
            for share in RESIDUAL_DYAD_FRACTIONS
            if (cell := results.read(f"a-fig10-{round(100 * share)}")) is not None
        },
        "NSL, mAP": {share: values(results, trials.ratio_key(share), _map) for share in RESIDUAL_DYAD_FRACTIONS},
    }
    plots = {f"Few labels, AID: {protocol_b.MEASURES[name][0]}": _labelled(results, name) for name in ("knn", "map")}
    plots["Split ratios, UC Merced"] = trained
    found = {title: _curves(measured) for title, measured in plots.items()}
    return [split_section(curves, title) for title, curves in found.items() if curves]


def _labelled(results: Results, measure: str) -> dict[str, dict[float, Sequence[float]]]:
    """A measure of each method of protocol B by labelled share."""
    _, pick = protocol_b.MEASURES[measure]
    return {
        name: {share: values(results, protocol_b.prefix(share, method), pick) for share in protocol_b.FRACTIONS}
        for method, name in protocol_b.METHODS.items()
    }


def _curves(measured: Mapping[str, Mapping[float, Sequence[float]]]) -> dict[str, list[CurvePoint]]:
    """Curves of the names with at least two points."""
    found = {name: {share: runs for share, runs in points.items() if runs} for name, points in measured.items()}
    return {name: curve(points) for name, points in found.items() if len(points) > 1}


def _folds(results: Results) -> list[Section]:
    """Residual-dyad's figure 7."""
    cells = [results.read(f"a-fig7-fold{fold + 1}") for fold in range(RESIDUAL_DYAD_FOLDS)]
    found = [cell["matcher"] for cell in cells if cell is not None]
    if not found:
        return []
    return [
        folds_section({"mAP": [each["mean_average_precision"] for each in found], "ANMRR": [each["anmrr"] for each in found]})
    ]


def _sensitivity(results: Results) -> list[Section]:
    """HR-S2DML's table 5."""
    pairs = {(tau, margin): trials.pair_key(tau, margin) for tau in trials.TAUS for margin in trials.MARGINS}
    _, pick = protocol_b.MEASURES["knn"]
    found = {place: runs for place, key in pairs.items() if (runs := values(results, key, pick))}
    return [sensitivity_section(sensitivity(found), "k-NN accuracy of HR-S2DML on AID")] if found else []


def _map(cell: Mapping[str, Any]) -> float:
    return float(cell["retrieval"]["mean_average_precision"])
