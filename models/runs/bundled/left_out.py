"""What the bundles' trainings do for imagery that they leave out: a data set, and classes.

    python -m models.runs.bundled.left_out --data DATA

Left-out data set: the upper part is trained on AID alone with the settings of `dyad-rgb-research`, and all images of UC Merced
query each other. Left-out classes: all images of the classes that the twin of `dyad-rgb-research` was not taught query each
other, by that twin, by `dyad-rgb` (which saw none of AID), and by the network before training. Embeddings alone, float32. Reads
maps and checkpoints that `train_bundle` kept under --work; a stopped run resumes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from models.backbones.two_layer_encoder import TwoLayerEncoder
from models.bundle.verify import read_trained_card
from models.data.samplers import Indices
from models.evaluation.metrics.retrieval import RetrievalReport
from models.runs.bundled.arguments import make_parser
from models.runs.bundled.bundle_maps import BundleMaps, compute_maps
from models.runs.bundled.plan import OPEN, RESEARCH, Plan
from models.runs.bundled.resumable import run_resumable
from models.runs.bundled.train_bundle import parts_of_twin
from models.runs.bundled.train_encoder import pooled, quality, start_encoder, train_upper
from models.runs.networks.run_options import RunOptions
from models.training.logs.progress_bar import ProgressBar

ALONE = replace(RESEARCH, model_id="aid-alone", sets=("aid",), held_out=())
"""The research bundle's training without UC Merced."""


@dataclass(frozen=True, slots=True)
class Row:
    """A network, what it ranks, and how well. images: number of those that query each other."""

    network: str
    ranked: str
    images: int
    report: RetrievalReport


def left_out_set(alone: Plan, judged: Plan, data: Path, work: Path, balance: float, console: Console) -> Row:
    """The data sets of the plan `judged` by a network that was trained by the plan `alone`, without them.

    balance: of the class head's part, as in the research bundle.
    """
    maps = compute_maps(alone, data, work, console)
    encoder = _trained(alone, maps, maps.material.train, work / alone.model_id / "upper", balance, console)
    unseen = compute_maps(judged, data, work, console)
    names = " and ".join(judged.sets)
    everything = np.arange(len(unseen.material.labels))
    return _row(f"trained on {' and '.join(alone.sets)} alone", f"{names}, unseen", encoder, unseen, everything)


def left_out_classes(
    research: Plan, open_plan: Plan, data: Path, work: Path, balances: Mapping[str, float], console: Console
) -> Iterator[Row]:
    """The held-out classes of a bundle's twin in the data sets that the open bundle never saw.

    balances: of the class head's part, by the bundle's id.
    """
    maps = compute_maps(research, data, work, console)
    material = maps.material
    held = np.isin(material.labels, [material.images.classes.index(name) for name in research.held_out])
    of_others = np.isin(material.sources, [material.names.index(name) for name in research.sets if name not in open_plan.sets])
    rows = np.flatnonzero(held & of_others)
    ranked = f"{len(np.unique(material.labels[rows]))} left-out classes"
    taught = parts_of_twin(research, material)[1]
    folder = work / research.model_id / "twin" / "upper"
    twin = _trained(research, maps, taught, folder, balances[research.model_id], console)
    yield _row(f"twin of {research.model_id}", ranked, twin, maps, rows)
    open_maps = compute_maps(open_plan, data, work, console)
    train = open_maps.material.train
    encoder = _trained(open_plan, open_maps, train, work / open_plan.model_id / "upper", balances[open_plan.model_id], console)
    yield _row(open_plan.model_id, ranked, encoder, maps, rows)
    before = start_encoder(open_plan.dimension)
    before.fit_without_labels(*pooled(before, open_maps.plain, train), balance=0.0)
    yield _row("before training, whitened", ranked, before, maps, rows)


def _trained(plan: Plan, maps: BundleMaps, rows: Indices, folder: Path, balance: float, console: Console) -> TwoLayerEncoder:
    folder.mkdir(parents=True, exist_ok=True)
    options = RunOptions(folder, [ProgressBar(console)], checkpoint_every=50)
    upper = train_upper(plan, maps.training, rows, maps.material.labels[rows], options)
    return upper.fit(maps.plain, rows, share=1.0, balance=balance)


def _row(network: str, ranked: str, encoder: TwoLayerEncoder, maps: BundleMaps, rows: Indices) -> Row:
    return Row(network, ranked, len(rows), quality(encoder, maps.plain, rows, maps.material.labels[rows]))


def main() -> int:
    """The program; returns its exit status."""
    options = make_parser(__doc__).parse_args()
    return run_resumable(partial(_measure, options), options.threads)


def _measure(options: argparse.Namespace, console: Console) -> None:
    balances = {
        plan.model_id: float(read_trained_card(options.bundles / plan.model_id).recipe["balance"]) for plan in (OPEN, RESEARCH)
    }
    rows = [
        *left_out_classes(RESEARCH, OPEN, options.data, options.work, balances, console),
        left_out_set(ALONE, OPEN, options.data, options.work, balances[RESEARCH.model_id], console),
    ]
    table = Table(title="embedding alone")
    for column in ("network", "ranked", "images", "mAP", "ANMRR", "P@10", "k-NN"):
        table.add_column(column, justify="left" if column in ("network", "ranked") else "right")
    for each in rows:
        found = each.report
        points = [f"{100 * value:.1f}" for value in (found.precision_at[10], found.knn_accuracy)]
        numbers = (f"{100 * found.mean_average_precision:.1f}", f"{found.anmrr:.3f}", *points)
        table.add_row(each.network, each.ranked, f"{each.images:,}", *numbers)
    Console(width=120).print(table)


if __name__ == "__main__":
    sys.exit(main())
