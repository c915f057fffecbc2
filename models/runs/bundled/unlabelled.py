"""What unlabelled tiles of other sensors add: the open bundle's encoder, trained with and without them in its distillation.

    python -m models.runs.bundled.unlabelled --data DATA --scenes SCENES --seeds 3

SCENES is a folder of 8-bit GeoTIFFs, from whose first three bands tiles are cut. Test images of the training set query each
other, as do all images of AID, which training did not include. Embeddings alone, float32; share and balance are those of the
bundle. A stopped run resumes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console

from models.bundle.verify import read_trained_card
from models.data.samplers import Indices
from models.data.scene_tiles import cut_scenes
from models.evaluation.aggregate import estimate
from models.runs.bundled.arguments import make_parser
from models.runs.bundled.bundle_maps import BundleMaps, Maps, compute_maps, judged_set, start_lower
from models.runs.bundled.middle_maps import read_maps
from models.runs.bundled.plan import OPEN, SOURCE_SIZE, Plan
from models.runs.bundled.resumable import run_resumable
from models.runs.bundled.train_encoder import quality, train_upper
from models.runs.networks.run_options import RunOptions

SIDE = 128
"""Pixels of a tile in its scene; it is enlarged to `SOURCE_SIZE`."""
Judged = Sequence[tuple[str, BundleMaps, Indices]]
"""As of `judged_set`."""


def unlabelled_views(plan: Plan, scenes: Path, work: Path) -> list[Maps]:
    """The training views of the tiles of all scenes."""
    pixels = cut_scenes(scenes, SIDE, SOURCE_SIZE)
    rows = np.arange(len(pixels))
    files = [work / "maps" / f"scenes-{view.name}.npy" for view in plan.training_views]
    for view, file in zip(plan.training_views, files, strict=True):
        start_lower().maps(pixels, rows, view, file, lambda _: None)
    return [read_maps(file) for file in files]


def measure(
    plan: Plan, maps: BundleMaps, unlabelled: Sequence[Maps], judged: Judged, fitted: tuple[float, float], options: RunOptions
) -> dict[str, tuple[float, float, float]]:
    """Train, and return mAP, P@10 and k-NN in points for each judged set. fitted: share and balance."""
    train = maps.material.train
    upper = train_upper(plan, maps.training, train, maps.material.labels[train], options, unlabelled)
    encoder = upper.fit(maps.plain, train, share=fitted[0], balance=fitted[1])
    found = {}
    for title, images, rows in judged:
        report = quality(encoder, images.plain, rows, images.material.labels[rows])
        points = (report.mean_average_precision, report.precision_at[10], report.knn_accuracy)
        found[title] = (100 * points[0], 100 * points[1], 100 * points[2])
    return found


def main() -> int:
    """The program; returns its exit status."""
    parser = make_parser(__doc__)
    parser.add_argument("--scenes", type=Path, required=True, help="folder of GeoTIFFs without labels")
    parser.add_argument(
        "--other", default="aid", metavar="SET", help="a data set that training leaves out (default: %(default)s)"
    )
    parser.add_argument(
        "--seeds", type=int, choices=range(1, 11), default=3, help="trainings of each kind (default: %(default)s)"
    )
    options = parser.parse_args()
    return run_resumable(partial(_compare, options), options.threads)


def _compare(options: argparse.Namespace, console: Console) -> None:
    recipe = read_trained_card(options.bundles / OPEN.model_id).recipe
    maps = compute_maps(OPEN, options.data, options.work, console)
    scenes = unlabelled_views(OPEN, options.scenes, options.work)
    sets = (*OPEN.sets, options.other)
    judged = [judged_set(name, OPEN, maps, options.data, options.work, console) for name in sets]
    out = Console(width=120, highlight=False)
    out.print(f"{len(scenes[0])} unlabelled tiles; mAP / P@10 / k-NN, mean ± deviation of {options.seeds} trainings")
    for kind, views in (("without", []), ("with", scenes)):
        found = []
        for seed in range(options.seeds):
            console.print(f"{kind} unlabelled tiles, seed {seed}")
            plan = replace(OPEN, recipe=OPEN.recipe.model_copy(update={"seed": seed}))
            folder = options.work / OPEN.model_id / f"{kind}-unlabelled-seed{seed}"
            fitted = recipe["share"], recipe["balance"]
            found.append(measure(plan, maps, views, judged, fitted, RunOptions(folder, checkpoint_every=50)))
        for title in found[0]:
            columns = zip(*(each[title] for each in found), strict=True)
            out.print(f"{kind}, {title}: {' / '.join(estimate(column).text(scale=1) for column in columns)}")


if __name__ == "__main__":
    sys.exit(main())
