"""Classes from a few labels with "none of these", and suggestions against labels at random, on cached features.

    python benchmarks/bench_classes.py [--data FOLDER] [--bundle FOLDER] [--seeds 10] [--work FOLDER]

Features are those of `bench_head_training.py`. Classes: some classes of an archive get 15 labels each; all other images, of
these classes or of others, are classified. Suggestions: an archive without labels gets 20 labels at a time, suggested or at
random; all other images get the class of the nearest label.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.services.classes.suggestions import choose, uncertainty
from benchmarks._imagery import DATA
from benchmarks._table import machine_line, print_table
from benchmarks.bench_head_training import BUNDLE, Archive, read_archive
from models.bundle.open_set import OpenSetClasses, auroc
from models.heads.head_bundle import read_head

LABELS, SAMPLE, BATCH, STEPS = 15, 4000, 20, 3
BINS = 10


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--bundle", type=Path, default=BUNDLE)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--work", type=Path, default=Path("/tmp/dyad-head-training"))
    options = parser.parse_args()
    print(machine_line())
    base = read_head(options.bundle)
    rows, learned = [], []
    with threadpool_limits(1):
        for archive in (read_archive(options, name) for name in ("ucmerced", "aid")):
            embeddings = base.project(archive.features)
            for classes in (1, 2, 4, 8, 15):
                found = np.mean([classify(embeddings, archive, classes, seed) for seed in range(options.seeds)], axis=0)
                rows.append([archive.name, str(classes), *(f"{value:.3f}" for value in found)])
            for how in ("at random", "suggested"):
                found = np.mean([label(embeddings, archive.names, how, seed) for seed in range(options.seeds)], axis=0)
                learned.append([archive.name, how, *(f"{value:.3f}" for step in found for value in step)])
    columns = ["archive", "labelled classes", "AUROC", "estimated", "class right", "ECE", "share of none", "true share"]
    print_table("classes from 15 labels each", columns, rows)
    steps = [f"{name} at {BATCH * step}" for step in range(1, STEPS + 1) for name in ("classes", "right")]
    print_table("labels suggested and at random", ["archive", "labels", *steps], learned)


def classify(embeddings: NDArray[np.float32], archive: Archive, count: int, seed: int) -> list[float]:
    """The numbers of a row of the first table, for one draw of classes and labels."""
    random, names = np.random.default_rng([seed, count]), archive.names
    classes = random.permutation(archive.classes)[:count]
    rows = np.concatenate([random.permutation(np.flatnonzero(names == each))[:LABELS] for each in classes])
    others = random.permutation(np.setdiff1d(np.arange(len(names)), rows))
    found = OpenSetClasses.fit(embeddings[rows], names[rows][:, None] == classes, rows, embeddings[others[:SAMPLE]])
    probabilities = found.probabilities(embeddings[others])
    is_known = np.isin(names[others], classes)
    right = np.append(classes, "")[probabilities.argmax(axis=1)] == np.where(is_known, names[others], "")
    accuracy = classes[probabilities[is_known, :-1].argmax(axis=1)] == names[others][is_known]
    truly = auroc(-probabilities[~is_known, -1], -probabilities[is_known, -1])
    estimated = np.nan if found.quality is None else found.quality.auroc
    error = calibration_error(probabilities.max(axis=1), right)
    return [truly, estimated, float(accuracy.mean()), error, found.share, 1 - float(is_known.mean())]


def label(embeddings: NDArray[np.float32], names: NDArray[np.str_], how: str, seed: int) -> list[list[float]]:
    """Number of classes that were found, and share of the other images whose class is right, after each step."""
    random, steps = np.random.default_rng(seed), []
    archive = np.sort(random.permutation(len(names))[: len(names) * 4 // 5])  # another archive for each seed
    rows = np.zeros(0, np.intp)
    for _ in range(STEPS):
        others = random.permutation(np.setdiff1d(archive, rows))
        chosen = others[:BATCH]
        if how == "suggested":
            known = np.unique(names[rows])
            targets = names[rows][:, None] == known
            uncertain = np.ones(len(others))
            if len(known):
                fitted = OpenSetClasses.fit(embeddings[rows], targets, rows, embeddings[others])
                uncertain = uncertainty(fitted.probabilities(embeddings[others]))
            chosen = others[choose(embeddings[others], embeddings[rows], uncertain, BATCH)[0]]
        rows = np.concatenate([rows, chosen])
        rest = np.setdiff1d(np.arange(len(names)), rows)
        nearest = (embeddings[rest] @ embeddings[rows].T).argmax(axis=1)
        steps.append([float(len(np.unique(names[rows]))), float((names[rows][nearest] == names[rest]).mean())])
    return steps


def calibration_error(probabilities: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Expected calibration error over equal bins of the probability."""
    bins = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    gaps = [(bins == each).mean() * abs(probabilities[bins == each].mean() - right[bins == each].mean()) for each in set(bins)]
    return float(sum(gaps))


if __name__ == "__main__":
    main()
