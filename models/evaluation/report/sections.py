"""Sections of a report, with plots and tables of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from models.evaluation.aggregate import CurvePoint, Sensitivity, estimate
from models.evaluation.evaluate import Evaluation
from models.evaluation.metrics.calibration import Calibration
from models.evaluation.metrics.rerank import FUSION, Quality, RerankReport, Weights
from models.evaluation.metrics.retrieval import RetrievalReport
from models.evaluation.report import plots
from models.evaluation.report.html import Fact, Picture, Section, Table
from models.evaluation.report.pictures import PixelsOf, Retrieved, encode_jpeg, retrieval_sheet
from models.evaluation.report.projection import NAMES, EmbeddingMap


def headline(evaluation: Evaluation) -> list[Fact]:
    """The measures of the papers' tables."""
    retrieval, clustering = evaluation.retrieval, evaluation.clustering
    return [
        Fact("mAP", _percent(retrieval.mean_average_precision), "whole ranking"),
        Fact("ANMRR", f"{retrieval.anmrr:.3f}", "0 is perfect"),
        Fact("MAP@20", _percent(retrieval.map_at_20), "first 20 places"),
        Fact("P@10", _percent(retrieval.precision_at.get(10, float("nan"))), "precision of the first 10"),
        Fact("k-NN accuracy", _percent(retrieval.knn_accuracy), "10 neighbours"),
        Fact("NMI", _percent(clustering.nmi), "k-means against classes"),
        Fact("ACC", _percent(clustering.acc), "k-means, best assignment"),
    ]


def retrieval_section(evaluation: Evaluation) -> Section:
    """Precision-recall curve, and all means over queries."""
    found = evaluation.retrieval
    rows = [
        ["mAP", f"{_percent(found.mean_average_precision)} %"],
        ["mAP@R", f"{_percent(found.map_at_r)} %"],
        ["MAP@20, over found images", f"{_percent(found.map_at_20)} %"],
        ["MAP@20, over possible images", f"{_percent(found.map_at_20_strict)} %"],
        *([f"P@{k}", f"{_percent(value)} %"] for k, value in found.precision_at.items()),
        ["ANMRR", f"{found.anmrr:.4f}"],
    ]
    curve = plots.precision_recall_plot({"this model": found.precision_recall})
    lost = f" {found.without_match} queries have no relevant image." if found.without_match else ""
    return Section(
        "Retrieval",
        f"{found.queries:,} queries, {found.database:,} images ranked each.{lost} Images of the query's class are relevant.",
        [
            Picture(curve, "svg+xml", "Precision by recall", "Interpolated precision by recall, mean over queries."),
            Table(["measure", "mean"], rows),
        ],
    )


def example_section(rows: Sequence[Retrieved], pixels_of: PixelsOf) -> Section:
    """Queries and their first ten results, as in the papers."""
    return Section(
        "Examples",
        "Typical queries of several classes, from the worst retrieved class to the best, and the nearest images. Green frame: "
        "the query's class. Red frame: another class, with its name.",
        [picture(retrieval_sheet(rows, pixels_of), "Queries and the images retrieved for them")],
    )


def class_section(evaluation: Evaluation) -> Section:
    """mAP by class, and the most frequent confusions of classes."""
    chart = plots.class_plot({"this model": evaluation.retrieval.class_average_precision})
    rows = [[query, found, _percent(share)] for query, found, share in evaluation.retrieved.worst(12)]
    return Section(
        "Classes",
        "mAP of each class, and other classes found among the first ten.",
        [
            Picture(chart, "svg+xml", "Mean average precision by class", "mAP of the queries of each class."),
            Table(["query", "found instead", "% of the first 10"], rows, "The most frequent confusions."),
        ],
    )


def confusion_section(evaluation: Evaluation) -> Section:
    """Both confusion matrices."""
    return Section(
        "Confusion",
        "Rows are classes of queries; each sums to 100 %.",
        [
            Picture(
                plots.confusion_plot(evaluation.retrieved),
                "svg+xml",
                "Confusion of the first ten images retrieved",
                "Classes of the first ten images retrieved.",
                wide=True,
            ),
            Picture(
                plots.confusion_plot(evaluation.knn),
                "svg+xml",
                "Confusion of k-NN classification with ten neighbours",
                "k-NN classification by ten neighbours.",
                wide=True,
            ),
        ],
    )


def map_section(evaluation: Evaluation, labels: ArrayLike, shown: EmbeddingMap) -> Section:
    """An embedding map of the queries. labels: (N,), as given to `evaluate`."""
    names = np.asarray(labels)[evaluation.selection.queries]
    note = f"{len(shown.rows):,} test images by {NAMES[shown.method]}. Distances between groups have no meaning."
    content = plots.map_plot(shown, names)
    return Section("Map", note, [Picture(content, "svg+xml", f"{NAMES[shown.method]} map of the embeddings", wide=True)])


def rerank_section(reports: Mapping[str, RerankReport], weights: Weights) -> Section:
    """Two-stage rankings of several data sets, with the chosen weights."""
    rows = []
    for name, report in reports.items():
        rows.append([f"{name}: embedding", *_quality(report.before), ""])
        rows.append([f"{name}: re-ranked at {weights}", *_quality(report.at(*weights)), f"{100 * report.gain(*weights):+.2f}"])
    depth = next(iter(reports.values())).depth
    columns = ["ranking", "mAP, %", "ANMRR", "P@10, %", "P@50, %", f"mAP@{depth}, %", "gain of mAP, points"]
    return Section(
        "Re-ranking",
        f"The first {depth} places re-ranked by {FUSION}, with weight {weights.matcher:g} and neighbours "
        f"{weights.neighbours:g}; dashed: the embedding alone.",
        [
            Picture(plots.rerank_plot(reports, weights), "svg+xml", "Gain of mAP and ANMRR by weight", wide=True),
            Table(columns, rows, wide=True),
        ],
    )


def matcher_section(embedding: RetrievalReport, matcher: RetrievalReport) -> Section:
    """All images ranked by the matcher alone, compared with the embedding."""
    rows = [
        [
            name,
            _percent(report.mean_average_precision),
            f"{report.anmrr:.3f}",
            _percent(report.precision_at.get(10, float("nan"))),
            _percent(report.knn_accuracy),
        ]
        for name, report in (("embedding", embedding), ("matcher alone", matcher))
    ]
    return Section(
        "Ranking by the matcher",
        "All images ranked by the matcher's log-odds, as in the residual-dyad paper.",
        [Table(["ranking", "mAP, %", "ANMRR", "P@10, %", "k-NN accuracy, %"], rows)],
    )


def calibration_section(calibration: Calibration) -> Section:
    """Calibration of match probabilities."""
    found = {"raw": calibration.raw, "Platt": calibration.by_platt, "isotonic": calibration.by_isotonic}
    rows = [[name, f"{each.error:.4f}", f"{each.log_loss:.4f}"] for name, each in found.items()]
    return Section(
        "Calibration",
        "Of test pairs with match probability p, a share of p should match. Fitted to validation pairs only.",
        [
            Picture(plots.reliability_plot(calibration), "svg+xml", "Share of matches by match probability"),
            Table(["probabilities", "calibration error (ECE)", "log loss"], rows),
        ],
    )


def shortlist_calibration_section(calibration: Calibration) -> Section:
    """The same for `calibrate_shortlists`."""
    note = (
        "Of pairs with match probability p, a share of p should match. The pairs are the first places of every second query. "
        "The isotonic curve is fitted to the remaining queries, and so is the Platt scaling, unless the model has its own."
    )
    return replace(calibration_section(calibration), note=note)


def split_section(curves: Mapping[str, Sequence[CurvePoint]], title: str) -> Section:
    """Measures by the share of training images, one curve for each name."""
    content = plots.curve_plot(curves, x="share of training images", y="measure")
    rows = [
        [f"{name}, {point.x:g}", point.y.text(scale=1, digits=4), str(point.y.runs)]
        for name, each in curves.items()
        for point in each
    ]
    return Section(
        title,
        "Means over runs; bands are one standard deviation.",
        [
            Picture(content, "svg+xml", "Measures by share of training images"),
            Table(["share of training images", "mean ± deviation", "runs"], rows),
        ],
    )


def folds_section(measures: Mapping[str, Sequence[float]]) -> Section:
    """Measures of each fold of a cross-validation, by name."""
    rows = [[name, estimate(values).text(scale=1, digits=4), str(len(values))] for name, values in measures.items()]
    content = plots.folds_plot(measures)
    return Section(
        "Folds", "", [Picture(content, "svg+xml", "Measures by fold"), Table(["measure", "mean ± deviation", "folds"], rows)]
    )


def sensitivity_section(table: Sensitivity, measure: str) -> Section:
    """A measure by temperature and margin."""
    best = f"Best at τ = {table.best[0]:g}, m = {table.best[1]:g}; from worst to best {100 * table.span:.2f} points."
    return Section(
        "Sensitivity",
        f"{measure} in percent. {best}",
        [Picture(plots.sensitivity_plot(table), "svg+xml", f"{measure} by τ and m")],
    )


def picture_section(title: str, note: str, sheet: Image.Image) -> Section:
    """A sheet of `pictures`: reconstructions, feature maps."""
    return Section(title, note, [picture(sheet, title)])


def picture(sheet: Image.Image, alt: str) -> Picture:
    """A sheet of images over the whole width."""
    return Picture(encode_jpeg(sheet), "jpeg", alt, wide=True)


def _quality(quality: Quality) -> list[str]:
    shares = (quality.precision_at_10, quality.precision_at_50, quality.map_at_depth)
    return [_percent(quality.mean_average_precision), f"{quality.anmrr:.3f}", *map(_percent, shares)]


def _percent(share: float) -> str:
    return "–" if np.isnan(share) else f"{100 * share:.2f}"
