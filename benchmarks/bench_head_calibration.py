"""Are match probabilities right after a head was trained on labels of a few classes? Calibration error over the whole archive.

    python benchmarks/bench_head_calibration.py [--data FOLDER] [--bundle FOLDER] [--seeds 3] [--work FOLDER]

As `bench_head_training.py`: features of UC Merced (2 100 images) and AID, labels of some classes, the recipe `head`. Unlabelled
images of the labelled classes, and images of all others, then query the whole archive; the first 100 places are re-ranked
by neighbourhoods, without a matcher. Compared are the probabilities of the base model, of a calibration on rankings of labelled
images alone, and of the recipe's, on rankings among unlabelled images. `NEAR` was chosen on AID.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._imagery import DATA
from benchmarks._table import machine_line, print_table
from benchmarks.bench_head_training import BUNDLE, Archive, read_archive
from models.bundle.manifest import ARCHIVE
from models.bundle.ranking import Ranking, second_stage
from models.bundle.verify import read_card
from models.evaluation.metrics.calibration import Platt, reliability
from models.evaluation.metrics.ranking import nearest
from models.evaluation.metrics.relevance import LabelSets
from models.evaluation.metrics.rerank import Weights
from models.evaluation.metrics.shortlists import RankedShortlists
from models.heads.evaluation.pair_scores import Surroundings
from models.heads.evaluation.recalibrate import Fold, Recalibration, recalibrate
from models.heads.fitting.cross_fit import CrossFit, cross_fit, fit_chosen
from models.heads.fitting.fit_head import Examples
from models.heads.head_bundle import read_head
from models.heads.head_recipe import HeadRecipe
from models.heads.input_files import evenly
from models.heads.linear_head import Head

LABELS = {"aid": ((4, 20), (8, 20), (15, 20)), "ucmerced": ((4, 25), (12, 20))}
QUERIES = 300
KINDS = ("base model", "labelled images alone", "among the archive")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--bundle", type=Path, default=BUNDLE)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("/tmp/dyad-head-training"))
    options = parser.parse_args()
    base, stage = read_head(options.bundle), second_stage(read_card(options.bundle))
    if stage is None or stage.scale is None:
        raise SystemExit(f"{options.bundle}: the model has no match probabilities; choose another with --bundle")
    ranking = Ranking(0.0, stage.neighbours, stage.depth, stage.scale, stage.offset)
    print(machine_line())
    rows = []
    with threadpool_limits(1):
        for name, cases in LABELS.items():
            archive = read_archive(options, name)
            for classes, images in cases:
                found = np.array([trial(base, ranking, archive, classes, images, seed) for seed in range(options.seeds)])
                cells = [f"{mean:.3f} ({worst:.3f})" for mean, worst in zip(found.mean(axis=0), found.max(axis=0), strict=True)]
                rows.append([name, f"{classes} x {images}", *cells])
                print(*rows[-1], flush=True)
    header = ["archive", "labels", *(f"{who}: {kind}" for who in ("labelled classes", "other classes") for kind in KINDS)]
    print_table("expected calibration error over the first 100 places, mean (worst) over draws of labels", header, rows)


def trial(base: Head, ranking: Ranking, archive: Archive, classes: int, images: int, seed: int) -> list[float]:
    """Calibration errors: of `KINDS` for queries of the labelled classes, then for those of the others."""
    random = np.random.default_rng([seed, classes, images])
    names = archive.names
    labelled = random.permutation(archive.classes)[:classes]
    rows = np.sort(np.concatenate([random.permutation(np.flatnonzero(names == each))[:images] for each in labelled]))
    others = np.setdiff1d(np.arange(len(names)), rows)
    targets = names[rows][:, np.newaxis] == labelled
    examples, recipe = Examples(archive.features[rows], targets, archive.features[others]), HeadRecipe()
    cross = cross_fit(base, examples, recipe, seed, lambda *_: None)
    head = fit_chosen(base, examples, cross, seed, lambda *_: None)
    around = archive.features[evenly(others, ARCHIVE)]
    fits = [_fit(cross, targets, each, ranking, seed) for each in (around[:0], around)]
    is_asked = np.isin(names[others], labelled)
    return [
        error
        for queries in (others[is_asked], others[~is_asked])
        for error in _errors(head, archive, random.permutation(queries)[:QUERIES], ranking, fits)
    ]


def _fit(cross: CrossFit, targets: NDArray[np.bool_], around: NDArray[np.float32], base: Ranking, seed: int) -> Recalibration:
    labels = LabelSets([str(number) for number in range(targets.shape[1])], targets)
    folds = []
    for fold, head in enumerate(cross.heads):
        own = np.flatnonzero(cross.folds == fold)
        folds.append(Fold(cross.embeddings[own], labels.take(own), Surroundings(head.project(around)), own))
    return recalibrate(folds, base, None, seed, lambda *_: None)


def _errors(head: Head, archive: Archive, queries: NDArray[np.intp], base: Ranking, fits: list[Recalibration]) -> list[float]:
    """Without enough pairs for a fit the base model's probabilities stay."""
    embeddings = head.project(archive.features)
    classes = np.unique(archive.names)
    labels = LabelSets(classes.tolist(), archive.names[:, np.newaxis] == classes)
    shortlist = nearest(embeddings[queries], embeddings, base.depth, own=queries)
    ranked = RankedShortlists.of(embeddings[queries], labels.take(queries), embeddings, labels, shortlist, own=queries)
    found = []
    for ranking in (None, *(each.ranking for each in fits)):
        weights, platt = Weights(0.0, base.neighbours), Platt(base.scale or 1.0, base.offset)
        if ranking is not None:
            fit = ranking["calibration"]
            weights, platt = Weights(0.0, ranking["neighbours"]), Platt(fit["scale"], fit["offset"])
        pairs = ranked.pairs(weights)
        found.append(reliability(platt(pairs.logits), pairs.matches).error)
    return found


if __name__ == "__main__":
    main()
