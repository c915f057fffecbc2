"""Train the bundle that ships with Dyad: embedder and matcher, from the training splits of UC Merced and AID.

    python -m models.runs.default.train_default --data DATA --out app/inference/bundled

DATA holds `ucmerced/CLASS/*.jpg` and `aid/CLASS/*.jpg`. Checkpoints of every step are kept under --work: the same command
resumes a stopped run and skips finished steps.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import torch
from rich.console import Console

from models.bundle.trained_card import TrainedCard
from models.export.quantise import CALIBRATION_TILES, Int8, retrieval_score
from models.export.write_bundle import Matcher, write_bundle
from models.runs.default.card_facts import default_facts
from models.runs.default.plan import Plan
from models.runs.default.stages import train_in_stages
from models.runs.default.train_reranker import train_reranker
from models.runs.inputs.material import Material, load_material
from models.training.allocator import keep_freed_memory
from models.training.logs.jsonlines import JsonLines
from models.training.logs.progress_bar import ProgressBar
from models.training.loop.callbacks import Callback
from models.training.recipes.recipe import Recipe


def main() -> int:
    """The program; returns its exit status."""
    options = _options()
    keep_freed_memory()
    console = Console(stderr=True)
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        train_default(Plan(), options.data, options.out, options.work, console)
    except KeyboardInterrupt:
        console.print("stopped; run the same command to resume from the last checkpoint")
        return 130
    return 0


def train_default(plan: Plan, data: Path, out: Path, work: Path, console: Console) -> TrainedCard:
    """Train by the plan and write the bundle into the folder `out`, with checkpoints and decoded images under `work`."""

    def callbacks(recipe: Recipe, name: str) -> list[Callback]:
        return [ProgressBar(console), JsonLines(work / f"{name}-{recipe.image_size}.jsonl")]

    cache = work / "cache"
    material = load_default(plan, data, cache)
    console.print(f"{len(material.train)} training, {len(material.validation)} validation, {len(material.test)} test images")
    trained = train_in_stages(
        material, plan.recipes, cache, work / "embedder", callbacks=lambda recipe: callbacks(recipe, "embedder")
    )
    reranker = train_reranker(material, trained, plan, cache, work, callbacks)
    facts = default_facts(plan, material, trained, reranker)
    matcher = Matcher(reranker.network, reranker.stored, reranker.calibration, reranker.fusion)
    card = write_bundle(
        out / plan.model_id, trained.encoder, facts, matcher=matcher, int8=_int8(material, plan.int8_loss), weights="float16"
    )
    for name, measured in card.metrics.items():
        console.print(f"{name}: {measured.protocol}: {measured.values}", highlight=False)
    return card


def load_default(plan: Plan, data: Path, cache: Path, size: int | None = None) -> Material:
    """Load both data sets with the plan's split. size: of the images in pixels, the plan's by default."""
    folders = {name: data / name for name in ("ucmerced", "aid")}
    return load_material(
        folders,
        size or plan.input_size,
        cache,
        train_fraction=plan.train_fraction,
        validation_fraction=plan.validation_fraction,
        same_class=plan.same_class,
    )


def _int8(material: Material, max_loss: float) -> Int8:
    """Quantisation ranges from training images, the loss from validation images; 7-bit weights, for CPUs without VNNI."""
    step = max(1, len(material.train) // CALIBRATION_TILES)
    tiles = material.pixels[material.train[::step]]
    score = retrieval_score(material.pixels[material.validation], material.labels[material.validation])
    return Int8(tiles, score, max_loss, reduce_range=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = Path(__file__).parents[2]
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("DYAD_DATA", root.parent / "shared" / "data")))
    parser.add_argument(
        "--out",
        type=Path,
        default=root / "app" / "inference" / "bundled",
        help="folder into which the bundle's folder is written (default: %(default)s)",
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=root / "build" / "default",
        help="folder of checkpoints and decoded images (default: %(default)s)",
    )
    parser.add_argument("--threads", type=int, default=0, help="number of CPU threads (default: all)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
