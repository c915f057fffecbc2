"""Spread of the second stage over seeds: a bundle's matcher is trained again with other seeds, on the same encoder.

    python -m models.runs.bundled.matcher_seeds --data DATA --seeds 3
    python -m models.runs.bundled.matcher_seeds --data DATA --seeds 1 --also resdyad-dml    # the paper's matcher beside it

Reads maps and checkpoints that `train_bundle` kept under --work, and keeps its own there; a stopped run resumes. Test images
of the training sets query each other, as do all images of a set that training did not include. Weights are those of the bundle.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rich.console import Console

from models.backbones.two_layer_encoder import TwoLayerEncoder
from models.bundle.ranking import second_stage
from models.bundle.trained_card import TrainedCard
from models.bundle.verify import read_trained_card
from models.data.samplers import Indices
from models.evaluation.aggregate import estimate
from models.evaluation.learned_matcher import learned_weights
from models.evaluation.metrics.rerank import Quality, Weights
from models.runs.bundled.arguments import make_parser
from models.runs.bundled.bundle_maps import BundleMaps, compute_maps, judged_set
from models.runs.bundled.plan import OPEN, PLANS, Plan
from models.runs.bundled.resumable import run_resumable
from models.runs.bundled.train_encoder import embed, places, train_upper
from models.runs.bundled.train_ranking import TwoStages, shortlists, train_second_stage
from models.runs.bundled.unseen import SETS
from models.runs.networks.run_options import RunOptions
from models.runs.networks.train_correlation import train_on_maps
from models.training.recipes.load import named_recipe

Gains = dict[tuple[str, str], list[tuple[float, float, float]]]
"""By data set and stage, for each seed: gains of P@10, P@50 and mAP of the re-ranked places, in points."""
OTHER_WEIGHTS = (0.005, 0.02, 0.08)
"""Of other matchers, whose log-odds have scales of their own; all are shown, none is chosen."""


@dataclass(frozen=True, slots=True)
class Bench:
    """A bundle's encoder, and what its matchers learn from and are judged on. train: rows of `maps`.

    judged: of each data set a title, maps, and the rows that query each other. weights: of the bundle. folder: of checkpoints.
    """

    plan: Plan
    encoder: TwoLayerEncoder
    maps: BundleMaps
    train: Indices
    judged: list[tuple[str, BundleMaps, Indices]]
    weights: Weights
    folder: Path

    @classmethod
    def open(cls, plan: Plan, card: TrainedCard, data: Path, work: Path, console: Console, sets: Sequence[str] = SETS) -> Bench:
        """Load what the training of a bundle kept. card: of the bundle. sets: names of data sets.

        Raises:
            ValueError: the bundle has no matcher.
        """
        ranking = second_stage(card)
        if ranking is None or card.matcher is None:
            raise ValueError(f"{card.id} has no matcher; train the bundle with `make train-default`")
        maps, folder = compute_maps(plan, data, work, console), work / plan.model_id
        train = maps.material.train
        upper = train_upper(plan, maps.training, train, maps.material.labels[train], RunOptions(folder / "upper"))
        encoder = upper.fit(maps.plain, train, share=card.recipe["share"], balance=card.recipe["balance"])
        judged = [judged_set(name, plan, maps, data, work, console) for name in sets]
        return cls(plan, encoder, maps, train, judged, learned_weights(ranking), folder)

    def add_gains(self, gains: Gains, trained: TwoStages, stages: Mapping[str, Weights]) -> None:
        """Measure two stages and append their gains. stages: weights by title."""
        wanted = sorted({*stages.values()} - {Weights()}) or [self.weights]
        for name, images, rows in self.judged:
            report = shortlists(trained, images, rows).report(wanted)
            for stage, each in stages.items():
                gains.setdefault((name, stage), []).append(_gain(report.before, report.at(*each)))


def measure_seeds(bench: Bench, seeds: Sequence[int], console: Console) -> Gains:
    """Gains of the second stage over the embedding, with the bundle's matcher trained with each seed."""
    gains: Gains = {}
    stages = {"with the matcher": Weights(bench.weights.matcher, 0.0), "with both": bench.weights}
    for seed in seeds:
        console.print(f"matcher of seed {seed}")
        plan = replace(bench.plan, recipe=bench.plan.recipe.model_copy(update={"seed": seed}))
        kept = bench.folder / ("matcher" if seed == bench.plan.recipe.seed else f"matcher-seed{seed}")
        bench.add_gains(gains, train_second_stage(plan, bench.encoder, bench.maps, bench.train, kept), stages)
    return gains


def measure_others(bench: Bench, recipes: Sequence[str], console: Console) -> Gains:
    """Gains with matchers of other recipes, trained on the same maps with as many updates."""
    gains: Gains = {}
    labels = bench.maps.material.labels[bench.train]
    embeddings = embed(bench.encoder, bench.maps.plain, bench.train)
    views = [places(bench.encoder, view[bench.train]) for view in (bench.maps.plain, *bench.maps.pairs)]
    for name in recipes:
        console.print(f"matcher of the recipe {name}")
        options, steps = RunOptions(bench.folder / f"matcher-{name}"), bench.plan.matcher_steps
        seed = bench.plan.recipe.seed
        network, stored = train_on_maps(named_recipe(name), views, labels, embeddings, options, seed=seed, steps=steps)
        stages = {f"{name}, weight {weight:g}": Weights(weight, 0.0) for weight in OTHER_WEIGHTS}
        bench.add_gains(gains, TwoStages(bench.encoder, network, stored), stages)
    return gains


def _gain(before: Quality, after: Quality) -> tuple[float, float, float]:
    pairs = (
        (before.precision_at_10, after.precision_at_10),
        (before.precision_at_50, after.precision_at_50),
        (before.map_at_depth, after.map_at_depth),
    )
    first, second, third = (100 * (new - old) for old, new in pairs)
    return first, second, third


def main() -> int:
    """The program; returns its exit status."""
    options = _arguments()
    return run_resumable(partial(_measure, options), options.threads)


def _measure(options: argparse.Namespace, console: Console) -> None:
    card = read_trained_card(options.bundles / options.model)
    bench = Bench.open(PLANS[options.model], card, options.data, options.work, console)
    gains = {**measure_seeds(bench, range(options.seeds), console), **measure_others(bench, options.also, console)}
    out = Console(width=120, highlight=False)
    out.print(f"{options.model}: gains over the embedding in points, mean ± deviation of matchers")
    for (name, stage), found in gains.items():
        text = " / ".join(estimate(column).text(scale=1) for column in zip(*found, strict=True))
        out.print(f"{name}, {stage}: P@10 / P@50 / mAP {text}")


def _arguments() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument("--model", choices=sorted(PLANS), default=OPEN.model_id, help="default: %(default)s")
    parser.add_argument("--seeds", type=int, default=3, help="number of matchers (default: %(default)s)")
    parser.add_argument(
        "--also", nargs="*", default=[], metavar="RECIPE", help="other matchers, e.g. resdyad-dml default-matcher"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
