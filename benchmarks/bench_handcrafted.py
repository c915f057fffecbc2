"""HoG and LBP-RGB on UC Merced, every image as a query against all others, compared with the residual-dyad paper.

python benchmarks/bench_handcrafted.py [--data ../shared/data] [--json]

The images go through the service's own decoding and models. The paper's table III is Euclidean; on vectors of length one the
cosine ranks alike.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.domain.collections import Scaling
from app.imagery.tiling.tiler import CutSpec, read_query
from app.inference.local_models import LocalModels
from benchmarks._imagery import DATA, images_of
from benchmarks._table import machine_line, print_table
from models.bundle.card import ModelCard
from models.evaluation.metrics.retrieval import RetrievalReport, retrieval_metrics

ROOT = Path(__file__).parents[1]
KS = (5, 10, 50, 100, 1000)
BATCH = 64
# ANMRR, mAP, P@5, 10, 50, 100, 1000 as printed: table III ("LandUse").
PAPER = {
    "hog": (0.751, 17.85, 48.67, 41.88, 25.37, 19.20, 6.18),
    "lbp-rgb": (0.751, 17.96, 58.73, 49.83, 28.12, 19.62, 6.07),
}


def main() -> None:
    """Measure both models and print one table, or one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--json", action="store_true", help="print only a JSON document")
    options = parser.parse_args()
    paths = images_of(options.data)
    provider = LocalModels(Path("no-bundles"), os.cpu_count() or 1)
    measured = {name: measure(provider, name, paths) for name in PAPER}
    provider.close()
    if options.json:
        print(json.dumps({"machine": machine_line(), **{name: figures for name, (_, figures) in measured.items()}}))
        return
    rows: list[Sequence[str]] = []
    for name, (report, figures) in measured.items():
        rows.append([name, *_cells(_row(report)), f"{figures['images_per_second']:.0f}"])
        rows.append(["  the paper", *_cells(PAPER[name]), ""])
    print(machine_line())
    columns = ["model", "ANMRR", "mAP", *(f"P@{k}" for k in KS), "images/s"]
    print_table(f"UC Merced, {len(paths)} images, leave one out", columns, rows)


def measure(provider: LocalModels, model_id: str, paths: Sequence[Path]) -> tuple[RetrievalReport, dict[str, Any]]:
    """The report of one model, and the same for JSON with the rate of describing decoded images."""
    model = provider.load(model_id)
    labels = [path.parent.name for path in paths]
    vectors, seconds = [], 0.0
    for start in range(0, len(paths), BATCH):
        tiles = read_tiles(model.card, paths[start : start + BATCH])
        begun = time.perf_counter()
        vectors.append(model.embed(tiles).embedding)
        seconds += time.perf_counter() - begun
    embeddings = np.concatenate(vectors)
    report = retrieval_metrics(embeddings, labels, embeddings, labels, exclude_self=True, ks=KS)
    return report, report.to_dict() | {"images_per_second": len(paths) / seconds}


def read_tiles(card: ModelCard, paths: Sequence[Path]) -> NDArray[np.uint8]:
    """Images as the service decodes them: (N, S, S, B) uint8."""
    size = card.input_size
    spec = CutSpec(size, size, None, len(card.bands), Scaling(), size, max_pixels=100_000_000)
    return np.stack([read_query(path, spec) for path in paths])


def _row(report: RetrievalReport) -> list[float]:
    return [report.anmrr, 100 * report.mean_average_precision, *(100 * value for value in report.precision_at.values())]


def _cells(figures: Sequence[float]) -> list[str]:
    return [f"{figures[0]:.3f}", *(f"{figure:.2f}" for figure in figures[1:])]


if __name__ == "__main__":
    main()
