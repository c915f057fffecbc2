"""Evaluate a collection's model on its labelled tiles: `python -m models.heads.evaluate FOLDER`. Free of torch.

FOLDER holds the files that `models.heads.input_files` reads (features are not needed); `report.html` and `metrics.json` are
written into it.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle.open_set import OpenSetClasses, OpenSetQuality
from models.bundle.terms import recorded_terms
from models.evaluation.evaluate import Evaluation, evaluate
from models.evaluation.report.pictures import PixelsOf
from models.evaluation.report.projection import embedding_map
from models.evaluation.report.report import evaluation_report, write_report
from models.heads.child_program import run_program
from models.heads.evaluation.query_tiles import QueryTiles, choose_query_tiles
from models.heads.evaluation.rerank_gain import RerankValue, measure_reranking
from models.heads.input_files import Inputs, read_inputs
from models.heads.progress import ProgressCallback, sub_progress

METRICS_FILE = "metrics.json"
MOST_OTHERS = 4000
"""Maximum number of unlabelled tiles for the classes with "none of these"."""
MOST_SHOWN, FEWEST_SHOWN = 1000, 5
"""Maximum and minimum number of points of the embedding map; a thousand take a few seconds."""


def main() -> int:
    """The program; returns its exit status."""
    return run_program("Evaluate a collection's model on its labelled tiles.", evaluate_collection)


def evaluate_collection(folder: Path, progress: ProgressCallback) -> dict[str, Any]:
    """Read the input, evaluate, write the report; returns the values of the last output line.

    Raises:
        HeadError: too few labels, or files that do not fit. BundleError: the bundle is invalid.
    """
    progress(0, "reading input")
    inputs = read_inputs(folder)
    queried = choose_query_tiles(inputs)
    progress(5, f"evaluating on {len(queried.rows)} labelled tiles")
    everything = np.arange(len(queried.rows))
    evaluation = evaluate(
        inputs.embeddings[queried.rows],
        queried.primary,
        queried.protocol,
        everything[:0],
        everything,
        sets=queried.labels,
        seed=inputs.manifest.seed,
    )
    value = measure_reranking(inputs, queried, sub_progress(progress, 15, 70))
    open_set = _open_set(inputs, queried)
    progress(70, "writing the report")
    _write(inputs, queried, evaluation, value, open_set)
    return {
        "metrics": _figures(evaluation),
        "queries": evaluation.retrieval.queries - evaluation.retrieval.without_match,
        "protocol": queried.protocol.description,
        "classes": evaluation.retrieval.class_average_precision,
        "rerank": None if value is None else value.to_dict(),
        "calibration": None if value is None else value.reliability(),
        "open_set": None if open_set is None else asdict(open_set),
        "warnings": list(queried.warnings),
    }


def _open_set(inputs: Inputs, queried: QueryTiles) -> OpenSetQuality | None:
    """How well classes, and tiles of no class, are recognised from the query tiles; None with too few of them."""
    unlabelled = np.random.default_rng(inputs.manifest.seed).permutation(np.flatnonzero(~inputs.is_labelled))[:MOST_OTHERS]
    rows = queried.rows
    embeddings, targets = inputs.embeddings[rows], np.asarray(queried.labels.flags)
    return OpenSetClasses.fit(embeddings, targets, inputs.places[rows], inputs.embeddings[unlabelled]).quality


def _figures(evaluation: Evaluation) -> dict[str, float]:
    found = evaluation.retrieval
    figures = {
        "map": found.mean_average_precision,
        "map_at_20": found.map_at_20,
        "anmrr": found.anmrr,
        "knn_accuracy": found.knn_accuracy,
        "nmi": evaluation.clustering.nmi,
    }
    return figures | {f"precision_at_{k}": value for k, value in found.precision_at.items()}


def _write(
    inputs: Inputs,
    queried: QueryTiles,
    evaluation: Evaluation,
    value: RerankValue | None,
    open_set: OpenSetQuality | None,
) -> None:
    embeddings = inputs.embeddings[queried.rows]
    has_map = len(embeddings) >= FEWEST_SHOWN
    report = evaluation_report(
        evaluation,
        queried.primary,
        title=f"{inputs.card.title or inputs.card.id} on {inputs.manifest.title or inputs.manifest.collection}",
        details=_details(inputs, queried, open_set),
        embedding_map=embedding_map(embeddings, limit=MOST_SHOWN, seed=inputs.manifest.seed) if has_map else None,
        pixels_of=_pixels_of(inputs, queried.rows),
        extra=[] if value is None else value.sections("labelled tiles"),
        extra_numbers={"warnings": list(queried.warnings), "open_set": None if open_set is None else asdict(open_set)}
        | ({} if value is None else value.numbers()),
    )
    files = write_report(report, inputs.folder)
    files.json.replace(inputs.folder / METRICS_FILE)


def _details(inputs: Inputs, queried: QueryTiles, open_set: OpenSetQuality | None) -> dict[str, str]:
    card, labelled = inputs.card, int(inputs.is_labelled.sum())
    details = {
        "model": f"{card.id}, version {card.version}, {recorded_terms(card).precision}",
        "trained on": card.training_data,
        "collection": f"{inputs.manifest.collection}: {len(inputs.labels):,} tiles, {labelled:,} with labels",
        "labels": ", ".join(f"{name} ({count:,})" for name, count in inputs.name_counts(queried.rows).items()),
    }
    if open_set is not None:
        details["known against left-out classes"] = (
            f"AUROC {open_set.auroc:.3f}; class of a tile from the labels of other places: {open_set.accuracy:.1%} right"
        )
    if queried.several:
        details["tiles with several labels"] = f"{queried.several:,}; clustering and confusion use the rarest label of each"
    return details | {f"warning {number}": text for number, text in enumerate(queried.warnings, 1)}


def _pixels_of(inputs: Inputs, rows: NDArray[np.intp]) -> PixelsOf | None:
    """Pixels of the tiles, grey where they are not available; None if no tile's pixels are."""
    if inputs.matcher is None:
        return None
    pixels = inputs.matcher.pixels
    place_of = {int(row): place for place, row in enumerate(inputs.matcher.rows)}
    grey = np.full(pixels.shape[1:], 128, dtype=np.uint8)

    def show(row: int) -> NDArray[np.uint8]:
        place = place_of.get(int(rows[row]))
        return grey if place is None else np.asarray(pixels[place])

    return show


if __name__ == "__main__":
    sys.exit(main())
