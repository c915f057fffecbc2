"""Evaluate a bundle on a folder of images and write a report. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle.card import ModelCard
from models.bundle.errors import BundleError
from models.bundle.ranking import Ranking, second_stage
from models.bundle.trained_card import training_record
from models.bundle.verify import read_card
from models.data.cache import load_pixels
from models.data.errors import DataError
from models.data.folders import ImageList, list_class_folders
from models.evaluation.evaluate import Evaluation, evaluate, examples
from models.evaluation.learned_matcher import learned_platt, learned_weights
from models.evaluation.metrics.calibration import Calibration, calibrate_shortlists
from models.evaluation.metrics.query_expansion import expand_queries
from models.evaluation.metrics.ranking import nearest
from models.evaluation.metrics.rerank import RerankReport, Weights
from models.evaluation.metrics.retrieval import RetrievalReport, retrieval_metrics, score_metrics
from models.evaluation.metrics.shortlists import weight_grid
from models.evaluation.protocols import Protocol
from models.evaluation.report.html import Section
from models.evaluation.report.pictures import feature_sheet
from models.evaluation.report.projection import embedding_map
from models.evaluation.report.report import ReportFiles, evaluation_report, write_report
from models.evaluation.report.sections import matcher_section, picture_section, rerank_section, shortlist_calibration_section
from models.runs.evaluation.bundle_encoding import (
    EncodedImages,
    encode_with_bundle,
    maps_with_bundle,
    shortlist_log_odds,
    shortlists_with_bundle,
)
from models.runs.evaluation.evaluation_split import Division, divide
from models.runs.progress_output import Progress

_FEWEST_SHOWN = 5
"""Minimum number of queries for an embedding map."""


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """Settings of an evaluation.

    bundle: its folder. name, folder: of the data set. classes, without_classes: of the folder, () for all and for none. bands:
    0-based, None for all. depth: places re-ranked, None for the card's. seed: of the split, None for the card's. has_map:
    whether to compute a t-SNE map, which takes a while. threads: 0 for all cores. ranks_by_matcher: whether to rank all images
    by the matcher alone, too, as in the residual-dyad paper.
    """

    bundle: Path
    name: str
    folder: Path
    protocol: Protocol
    out: Path
    cache: Path
    classes: tuple[str, ...] = ()
    without_classes: tuple[str, ...] = ()
    bands: tuple[int, ...] | None = None
    depth: int | None = None
    seed: int | None = None
    has_map: bool = True
    threads: int = 0
    ranks_by_matcher: bool = False
    expand: int = 0


@dataclass(frozen=True, slots=True)
class Reranked:
    """Measured re-ranking. weights: of the headline. calibration: None unless some pairs match and some do not."""

    report: RerankReport
    weights: Weights
    calibration: Calibration | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """Results and report files. warnings: reasons why the results may be too optimistic. by_matcher: the retrieval by the
    matcher alone, and expanded: with expanded queries, if requested."""

    evaluation: Evaluation
    reranked: Reranked | None
    by_matcher: RetrievalReport | None
    expanded: RetrievalReport | None
    warnings: tuple[str, ...]
    files: ReportFiles


def run_evaluation(settings: EvaluationSettings, progress: Progress) -> Outcome:
    """Encode the images, measure, write the report.

    Raises:
        BundleError, DataError, EvaluationError: what is wrong, in one line.
    """
    card = read_card(settings.bundle)
    if settings.ranks_by_matcher and card.matcher is None:
        raise BundleError(f"{card.id} has no matcher to rank by; leave out --rank-by matcher")
    folder = list_class_folders(settings.folder)
    images = folder.only_classes(settings.classes) if settings.classes else folder
    images = images.without_classes(settings.without_classes)
    division = divide(images, folder, settings.name, settings.protocol, card, settings.seed)
    for warning in division.warnings:
        progress.say(f"warning: {warning}")
    selection = settings.protocol.selection(division.train, division.test)
    pixels = _load(settings, card, images, progress)
    with progress.counting("encoding") as count:
        encoded = encode_with_bundle(settings.bundle, card, pixels, selection.queries, threads=settings.threads, count=count)
    labels = np.array(images.classes)[images.labels]
    progress.say(f"ranking {len(selection.database)} images for {len(selection.queries)} queries")
    evaluation = evaluate(encoded.embeddings, labels, settings.protocol, division.train, division.test, seed=settings.seed or 0)
    ranking, reranked, by_matcher = second_stage(card), None, None
    if ranking is not None:
        reranked = _rerank(settings, ranking, encoded, labels, evaluation, progress)
    if settings.ranks_by_matcher:
        by_matcher = _rank_by_matcher(settings, encoded, labels, evaluation, progress)
    expanded = _expand(settings.expand, encoded, labels, evaluation) if settings.expand else None
    files = _write(settings, card, images, division, evaluation, reranked, by_matcher, expanded, encoded, labels, pixels)
    return Outcome(evaluation, reranked, by_matcher, expanded, division.warnings, files)


def _load(settings: EvaluationSettings, card: ModelCard, images: ImageList, progress: Progress) -> NDArray[np.uint8]:
    with progress.counting("decoding") as count:
        pixels = load_pixels(images, card.input_size, settings.cache, bands=settings.bands, progress=count)
    if pixels.shape[3] != len(card.bands):
        raise DataError(
            f"{card.id} takes {len(card.bands)} bands ({', '.join(card.bands)}), the images have {pixels.shape[3]}; use --bands"
        )
    return pixels


def _rerank(
    settings: EvaluationSettings,
    ranking: Ranking,
    encoded: EncodedImages,
    labels: NDArray[np.str_],
    evaluation: Evaluation,
    progress: Progress,
) -> Reranked:
    depth = settings.depth or ranking.depth
    with progress.counting("re-ranking") as count:
        ranked = shortlists_with_bundle(
            settings.bundle, encoded, labels, evaluation.selection, depth, threads=settings.threads, count=count
        )
    weights = learned_weights(ranking)
    report = ranked.report(weight_grid(has_matcher=ranked.log_odds is not None, also=weights))
    return Reranked(report, weights, calibrate_shortlists(ranked.scores(weights), ranked.matches, learned_platt(ranking)))


def _rank_by_matcher(
    settings: EvaluationSettings,
    encoded: EncodedImages,
    labels: NDArray[np.str_],
    evaluation: Evaluation,
    progress: Progress,
) -> RetrievalReport:
    """Rank all images by the matcher alone: the retrieval of the residual-dyad paper."""
    chosen = evaluation.selection
    everything = nearest(
        encoded.embeddings[chosen.queries], encoded.embeddings[chosen.database], len(chosen.database), own=chosen.own
    )
    with progress.counting("ranking all by the matcher") as count:
        log_odds = shortlist_log_odds(
            settings.bundle, encoded, chosen.database, everything, threads=settings.threads, count=count
        )
    scores = np.zeros((len(chosen.queries), len(chosen.database)), np.float32)
    np.put_along_axis(scores, everything.indices, log_odds, axis=1)
    return score_metrics(scores, labels[chosen.queries], labels[chosen.database], own=chosen.own)


def _expand(count: int, encoded: EncodedImages, labels: NDArray[np.str_], evaluation: Evaluation) -> RetrievalReport:
    """Rank all images for queries that their `count` nearest images join."""
    chosen = evaluation.selection
    queries, database = encoded.embeddings[chosen.queries], encoded.embeddings[chosen.database]
    grown = expand_queries(queries, database, count, own=chosen.own)
    wanted, stored = labels[chosen.queries], labels[chosen.database]
    return retrieval_metrics(grown, wanted, database, stored, exclude_self=chosen.own is not None, own=chosen.own)


def _write(
    settings: EvaluationSettings,
    card: ModelCard,
    images: ImageList,
    division: Division,
    evaluation: Evaluation,
    reranked: Reranked | None,
    by_matcher: RetrievalReport | None,
    expanded: RetrievalReport | None,
    encoded: EncodedImages,
    labels: NDArray[np.str_],
    pixels: NDArray[np.uint8],
) -> ReportFiles:
    queries = encoded.embeddings[evaluation.selection.queries]
    has_map = settings.has_map and len(queries) >= _FEWEST_SHOWN
    report = evaluation_report(
        evaluation,
        labels,
        title=f"{card.id} on {settings.name}",
        details=_details(settings, card, images, division),
        embedding_map=embedding_map(queries, seed=settings.seed or 0) if has_map else None,
        pixels_of=lambda row: pixels[row],
        extra=[
            *_sections(settings.name, reranked, evaluation, by_matcher),
            *_features(settings, card, evaluation, labels, pixels),
        ],
        extra_numbers=_numbers(card, division, reranked, by_matcher)
        | ({} if expanded is None else {"query_expansion": {"count": settings.expand, **expanded.to_dict()}}),
    )
    return write_report(report, settings.out)


def _details(settings: EvaluationSettings, card: ModelCard, images: ImageList, division: Division) -> dict[str, str]:
    details = {
        "model": f"{card.id}, version {card.version}, {training_record(card).precision}",
        "trained on": card.training_data,
        "data set": f"{settings.name}: {len(images):,} images of {len(images.classes)} classes",
        "image size": f"{card.input_size} x {card.input_size} pixels, {', '.join(card.bands)}",
        "split": division.origin,
    }
    if settings.classes or settings.without_classes:
        details["classes"] = ", ".join(images.classes)
    return details | {f"warning {number}": text for number, text in enumerate(division.warnings, 1)}


def _sections(
    name: str, reranked: Reranked | None, evaluation: Evaluation, by_matcher: RetrievalReport | None
) -> list[Section]:
    sections = []
    if reranked is not None:
        sections.append(rerank_section({name: reranked.report}, reranked.weights))
        if reranked.calibration is not None:
            sections.append(shortlist_calibration_section(reranked.calibration))
    if by_matcher is not None:
        sections.append(matcher_section(evaluation.retrieval, by_matcher))
    return sections


def _features(
    settings: EvaluationSettings,
    card: ModelCard,
    evaluation: Evaluation,
    labels: NDArray[np.str_],
    pixels: NDArray[np.uint8],
) -> list[Section]:
    """Feature maps of the examples' queries, if the bundle has maps."""
    if card.matcher is None:
        return []
    shown = pixels[[each.query for each in examples(evaluation, labels)]]
    maps = maps_with_bundle(settings.bundle, card, shown, threads=settings.threads)
    height, width = maps.shape[2:]
    note = f"The feature maps with the largest variance over each image, of {maps.shape[1]} maps of {height} x {width}."
    return [picture_section("Feature maps", note, feature_sheet(shown, maps))]


def _numbers(
    card: ModelCard, division: Division, reranked: Reranked | None, by_matcher: RetrievalReport | None
) -> dict[str, Any]:
    numbers: dict[str, Any] = {"model": {"id": card.id, "version": card.version}, "warnings": list(division.warnings)}
    if reranked is not None:
        weights = reranked.weights
        numbers["rerank"] = {"weight": weights.matcher, "neighbours": weights.neighbours, **reranked.report.to_dict()}
        numbers["calibration"] = None if reranked.calibration is None else reranked.calibration.to_dict()
    if by_matcher is not None:
        numbers["by_matcher"] = by_matcher.to_dict()
    return numbers
