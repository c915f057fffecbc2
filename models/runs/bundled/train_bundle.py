"""Train a bundle that ships with Dyad, from ImageNet weights.

    python -m models.runs.bundled.train_bundle --data DATA                            # dyad-rgb, open imagery only
    python -m models.runs.bundled.train_bundle --model dyad-rgb-research --data DATA

DATA holds `ucmerced/CLASS/*.jpg` and `aid/CLASS/*.jpg`. Maps and checkpoints are kept under --work: the same command resumes a
stopped run and skips finished steps.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from models.bundle.trained_card import TrainedCard
from models.data.samplers import Indices
from models.data.splits import split_fraction
from models.export.write_bundle import Matcher, write_bundle
from models.runs.bundled.arguments import BUNDLES, make_parser
from models.runs.bundled.bundle_maps import BundleMaps, compute_maps
from models.runs.bundled.card_facts import bundle_facts
from models.runs.bundled.plan import OPEN, PLANS, Plan
from models.runs.bundled.resumable import run_resumable
from models.runs.bundled.train_encoder import choose, train_upper
from models.runs.bundled.train_ranking import TwoStages, learn_scores, shortlists, train_second_stage
from models.runs.inputs.material import Material
from models.runs.networks.run_options import RunOptions
from models.training.logs.jsonlines import JsonLines
from models.training.logs.progress_bar import ProgressBar

_TAUGHT = 0.9
"""Share of a twin's classes that it is trained on; share and balance are also judged by the rest."""


@dataclass(frozen=True, slots=True)
class Twin:
    """A twin's two stages. share, balance: chosen for it. held: training images of the classes that it was not taught."""

    stages: TwoStages
    share: float
    balance: float
    held: Indices
    taught: Indices


def train_bundle(plan: Plan, data: Path, out: Path, work: Path, console: Console) -> TrainedCard:
    """Train by the plan and write the bundle into the folder `out`, with maps and checkpoints under `work`."""
    maps = compute_maps(plan, data, work, console)
    material, folder = maps.material, work / plan.model_id
    console.print(f"{plan.model_id}: {len(material.train)} training images, {len(material.test)} test images")
    twin = train_twin(plan, maps, folder / "twin", console)
    console.print(f"chosen on held-out classes: share {twin.share:g} of the weights, balance {twin.balance:g}")
    labels = material.labels[material.train]
    trained = train_upper(plan, maps.training, material.train, labels, _options(folder / "upper", console))
    encoder = trained.fit(maps.plain, material.train, share=twin.share, balance=twin.balance)
    stages = train_second_stage(plan, encoder, maps, material.train, folder / "matcher")
    tests = {name: shortlists(stages, maps, material.of(name, material.test)) for name in material.names}
    learned = learn_scores(twin.stages, maps, twin.held, twin.taught, tests)
    facts = bundle_facts(plan, maps, stages, twin.share, twin.balance, learned, tests)
    matcher = Matcher(stages.network, stages.stored, learned.matcher_calibration(), learned.fusion())
    card = write_bundle(
        out / plan.model_id, encoder.to(memory_format=torch.contiguous_format), facts, matcher=matcher, weights="float16"
    )
    for name, measured in card.metrics.items():
        console.print(f"{name}: {measured.protocol}: {measured.values}", highlight=False)
    return card


def train_twin(plan: Plan, maps: BundleMaps, folder: Path, console: Console) -> Twin:
    """Train both stages without the plan's held-out classes."""
    material = maps.material
    held, taught, left = parts_of_twin(plan, material)
    trained = train_upper(plan, maps.training, taught, material.labels[taught], _options(folder / "upper", console))
    judged = [(rows, material.labels[rows]) for rows in (held, left)]
    share, balance = choose(trained, plan, maps.plain, taught, judged)
    encoder = trained.fit(maps.plain, taught, share=share, balance=balance)
    stages = train_second_stage(plan, encoder, maps, taught, folder / "matcher")
    return Twin(stages, share, balance, held, taught)


def parts_of_twin(plan: Plan, material: Material) -> tuple[Indices, Indices, Indices]:
    """Training images of the held-out classes; of the other classes, those that the twin learns and those that judge it too."""
    is_held = np.isin(material.labels, [material.images.classes.index(name) for name in plan.held_out])
    held, rest = material.train[is_held[material.train]], material.train[~is_held[material.train]]
    parts = split_fraction(material.labels[rest], material.images.groups[rest], _TAUGHT, plan.recipe.seed)
    return held, rest[parts.train], rest[parts.test]


def main() -> int:
    """The program; returns its exit status."""
    options = _arguments()
    train = partial(train_bundle, PLANS[options.model], options.data, options.out, options.work)
    return run_resumable(train, options.threads)


def _options(folder: Path, console: Console) -> RunOptions:
    folder.mkdir(parents=True, exist_ok=True)
    return RunOptions(folder, [ProgressBar(console), JsonLines(folder / "log.jsonl")], checkpoint_every=50)


def _arguments() -> argparse.Namespace:
    parser = make_parser(__doc__, bundles=False)
    parser.add_argument("--model", choices=sorted(PLANS), default=OPEN.model_id, help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=BUNDLES, help="folder to write the bundle into (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
