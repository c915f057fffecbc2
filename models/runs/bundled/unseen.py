"""The matrix of models and data sets: how well a model ranks imagery that it was trained on, and imagery that it never saw.

    python -m models.runs.bundled.unseen --data DATA

On a data set of its training a model is measured by its test images, which query each other; on another by all images. Does not
need PyTorch; a pair of model and data set takes minutes on a CPU and is kept under --work.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from models.bundle.ranking import second_stage
from models.bundle.trained_card import training_record
from models.bundle.verify import read_card
from models.data.cache import load_pixels
from models.data.folders import list_class_folders
from models.evaluation.learned_matcher import learned_platt, learned_weights
from models.evaluation.metrics.calibration import calibrate_shortlists
from models.evaluation.metrics.rerank import Quality, Weights
from models.evaluation.metrics.retrieval import retrieval_metrics
from models.evaluation.protocols import Selection, protocol_named
from models.runs.bundled.arguments import make_parser
from models.runs.evaluation.bundle_encoding import encode_with_bundle, shortlists_with_bundle
from models.runs.evaluation.evaluation_split import divide
from models.runs.progress_output import Progress, make_progress

SETS = ("ucmerced", "aid")
_STAGES = ("embedding", "+ neighbours", "+ matcher", "both")


def measure(bundle: Path, name: str, folder: Path, cache: Path, progress: Progress, *, threads: int = 0) -> dict[str, Any]:
    """Measure a bundle on a data set: whether it was trained on it, mAP, P@10 and k-NN of the embedding, and each second stage.

    Raises:
        BundleError, DataError, EvaluationError: what is wrong, in one line.
    """
    card = read_card(bundle)
    is_seen = name in training_record(card).splits.get("sets", {})
    images = list_class_folders(folder)
    division = divide(images, images, name, protocol_named("A-80" if is_seen else "unseen"), card, None)
    rows = np.sort(division.test) if is_seen else np.arange(len(images))
    labels = np.array(images.classes)[images.labels][rows]
    with progress.counting(f"{card.id} on {name}: decoding") as count:
        pixels = load_pixels(images, card.input_size, cache, progress=count)[rows]
    everything = np.arange(len(rows))
    with progress.counting(f"{card.id} on {name}: encoding") as count:
        encoded = encode_with_bundle(bundle, card, pixels, everything, threads=threads, count=count)
    found = retrieval_metrics(encoded.embeddings, labels, encoded.embeddings, labels, exclude_self=True)
    result: dict[str, Any] = {
        "model": card.id,
        "set": name,
        "seen": is_seen,
        "images": len(rows),
        "map": found.mean_average_precision,
        "anmrr": found.anmrr,
        "p_at_10": found.precision_at[10],
        "knn10": found.knn_accuracy,
    }
    ranking = second_stage(card)
    if ranking is None or encoded.pairs is None:
        return result
    selection = Selection(everything, everything, everything)
    with progress.counting(f"{card.id} on {name}: re-ranking") as count:
        ranked = shortlists_with_bundle(bundle, encoded, labels, selection, ranking.depth, threads=threads, count=count)
    weights = learned_weights(ranking)
    tried = {
        "+ neighbours": Weights(0.0, weights.neighbours),
        "+ matcher": Weights(weights.matcher, 0.0),
        "both": weights,
    }
    report = ranked.report(sorted(set(tried.values()) - {Weights()}) or [weights])
    stages = {"embedding": report.before} | {stage: report.at(*each) for stage, each in tried.items()}
    calibration = calibrate_shortlists(ranked.scores(weights), ranked.matches, learned_platt(ranking))
    result["stages"] = {stage: _numbers(each) for stage, each in stages.items()}
    result["ece"] = None if calibration is None else calibration.by_platt.error
    return result


def print_tables(results: Sequence[dict[str, Any]], console: Console) -> None:
    """The embeddings alone, then the second stages."""
    table = Table(title="embedding alone")
    for column in ("model", "data set", "images", "mAP", "ANMRR", "P@10", "k-NN"):
        table.add_column(column, justify="left" if column in ("model", "data set") else "right")
    for each in results:
        numbers = (_points(each["map"]), f"{each['anmrr']:.3f}", _points(each["p_at_10"]), _points(each["knn10"]))
        table.add_row(each["model"], _named(each), f"{each['images']:,}", *numbers)
    console.print(table)
    table = Table(title="second stage: P@10 / P@50 / mAP of the re-ranked places")
    for column in ("model", "data set", *_STAGES, "ECE"):
        table.add_column(column, justify="left" if column in ("model", "data set") else "right")
    for each in results:
        if "stages" in each:
            cells = [" / ".join(_points(value) for value in each["stages"][stage]) for stage in _STAGES]
            table.add_row(each["model"], _named(each), *cells, "" if each["ece"] is None else f"{each['ece']:.3f}")
    console.print(table)


def main() -> int:
    """The program; returns its exit status."""
    options = make_parser(__doc__).parse_args()
    progress, results = make_progress("bars"), []
    for bundle in sorted(path.parent for path in options.bundles.glob("*/card.json")):
        digest = read_card(bundle).files
        for name in SETS:
            kept = options.work / "unseen" / f"{bundle.name}-{name}.json"
            known = json.loads(kept.read_text()) if kept.exists() else {}
            if known.get("files") != digest:
                found = measure(bundle, name, options.data / name, options.work / "cache", progress, threads=options.threads)
                known = {**found, "files": digest}
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_text(json.dumps(known, indent=1))
            results.append(known)
    print_tables(results, Console(width=160))
    return 0


def _numbers(quality: Quality) -> tuple[float, float, float]:
    return quality.precision_at_10, quality.precision_at_50, quality.map_at_depth


def _named(result: dict[str, Any]) -> str:
    return f"{result['set']}, {'test images' if result['seen'] else 'unseen'}"


def _points(share: float) -> str:
    return f"{100 * share:.1f}"


if __name__ == "__main__":
    sys.exit(main())
