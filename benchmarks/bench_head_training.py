"""What labels of some classes do to a whole archive: gain of the labelled classes, loss of the others.

    python benchmarks/bench_head_training.py [--data FOLDER] [--bundle FOLDER] [--seeds 5] [--work FOLDER]

Heads are fitted to features of UC Merced (2 100 images) and AID (100 images of each class), as the recipe `head` does: the
round is chosen by cross-fitting, then one head is fitted to all labels. Every image then queries the whole archive. The
gain is that of unlabelled images of the labelled classes. Most defaults of the recipe were chosen on labels of every other
class of AID, and on other images of it, than those that are measured here; the two values of rankness on 16 images of every
class. Features are kept in --work.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.imagery.pictures.resize import to_square
from benchmarks._imagery import DATA
from benchmarks._table import machine_line, print_table
from models.bundle.files import ENCODER_FILE
from models.bundle.runtime import OnnxEncoder
from models.bundle.verify import read_card
from models.evaluation.metrics.ranking import CHUNK, ranked_chunks
from models.evaluation.metrics.relevance import LabelSets, Relevance, relevance
from models.evaluation.metrics.retrieval import average_precision
from models.heads.fitting.cross_fit import cross_fit, fit_chosen
from models.heads.fitting.fit_head import Examples, fit_head
from models.heads.head_bundle import read_head
from models.heads.head_recipe import HeadRecipe
from models.heads.linear_head import Head

BUNDLE = Path(__file__).parents[1] / "app" / "inference" / "bundled" / "dyad-rgb"
IMAGES = 100
"""Of each class."""
EARLIER = HeadRecipe(rankness=1.0, weaker_rankness=None, open_world=False, keep=20.0, retain=0.0)
"""The loss without the open-world terms; its last round was nearly always chosen."""


class Archive(NamedTuple):
    """N images: features (N, F) float32, names (N,) of their classes. classes: those that are labelled."""

    name: str
    features: NDArray[np.float32]
    names: NDArray[np.str_]
    classes: NDArray[np.str_]


class Case(NamedTuple):
    """What is labelled in a trial. classes: how many; images: of each. shuffled: whether the labels are in random order."""

    archive: Archive
    classes: int
    images: int
    recipe: HeadRecipe
    shuffled: bool = False


class Outcome(NamedTuple):
    """Changes of mAP in points: of unlabelled images of labelled classes, of all other classes, of the whole archive."""

    labelled: float
    others: float
    archive: float
    rounds: int


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--bundle", type=Path, default=BUNDLE)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--work", type=Path, default=Path("/tmp/dyad-head-training"))
    options = parser.parse_args()
    print(machine_line())
    base = read_head(options.bundle)
    archives = [read_archive(options, name) for name in ("ucmerced", "aid")]
    labels = {
        "ucmerced": [(4, 25, False), (4, 25, True)],
        "aid": [(4, 20, False), (4, 20, True), (8, 20, False), (4, 5, False)],
    }
    cases = [
        Case(archive, classes, images, recipe, shuffled)
        for archive in archives
        for classes, images, shuffled in labels[archive.name]
        for recipe in (EARLIER, HeadRecipe())
    ]
    with threadpool_limits(1):
        rows = [measure(base, case, options.seeds) for case in cases]
    header = [
        "archive",
        "labels",
        "loss",
        "labelled classes",
        "worst",
        "other classes",
        "worst",
        "archive",
        "worst",
        "rounds",
        "s",
    ]
    print_table("change of mAP over the archive, points", header, rows)


def read_archive(options: argparse.Namespace, name: str) -> Archive:
    """Features of a data set, encoded once."""
    kept = options.work / f"{name}.npz"
    if not kept.exists():
        options.work.mkdir(parents=True, exist_ok=True)
        files = [file for folder in sorted((options.data / name).iterdir()) if folder.is_dir() for file in chosen(name, folder)]
        np.savez(kept, features=encode(options.bundle, files), names=np.array([file.parent.name for file in files]))
    with np.load(kept) as arrays:
        features, names = arrays["features"].astype(np.float32), arrays["names"]
    classes = np.unique(names)
    return Archive(name, features, names, classes[1::2] if name == "aid" else classes)


def chosen(name: str, folder: Path) -> list[Path]:
    """Images of a class; of AID others than those on which the recipe was chosen."""
    files = sorted(folder.glob("*.jpg"))
    order = np.random.default_rng(0).permutation(len(files))
    return [files[number] for number in (order[IMAGES:] if name == "aid" else order)[:IMAGES]]


def encode(bundle: Path, files: list[Path]) -> NDArray[np.float16]:
    """(N, F) features."""
    card = read_card(bundle)
    encoder = OnnxEncoder(bundle / ENCODER_FILE, card.scaling.mean, card.scaling.std, threads=2)
    parts = []
    for start in range(0, len(files), 32):
        images = [np.asarray(Image.open(file).convert("RGB")) for file in files[start : start + 32]]
        parts.append(encoder(np.stack([to_square(image, card.input_size) for image in images]), ("feature",))["feature"])
    return np.concatenate(parts).astype(np.float16)


def measure(base: Head, case: Case, seeds: int) -> list[str]:
    """One row of the table, over several draws of labels."""
    start = time.perf_counter()
    before = precisions(base, case.archive)
    found = [trial(base, before, case, seed) for seed in range(seeds)]
    columns = [np.array(column) for column in zip(*found, strict=True)]
    label = f"{case.classes} x {case.images}{' shuffled' if case.shuffled else ''}"
    changes = [text for column in columns[:3] for text in (f"{column.mean():+.2f}", f"{column.min():+.2f}")]
    loss = "earlier" if case.recipe == EARLIER else "now"
    spent = (time.perf_counter() - start) / seeds
    row = [case.archive.name, label, loss, *changes, f"{columns[3].mean():.1f}", f"{spent:.0f}"]
    print(*row, flush=True)
    return row


def trial(base: Head, before: NDArray[np.float64], case: Case, seed: int) -> Outcome:
    """Train on one draw of labels, and let every image query the archive."""
    random = np.random.default_rng([seed, case.classes, case.images])
    names, features = case.archive.names, case.archive.features
    classes = random.permutation(case.archive.classes)[: case.classes]
    rows = np.concatenate([random.permutation(np.flatnonzero(names == each))[: case.images] for each in classes])
    told = random.permutation(names[rows]) if case.shuffled else names[rows]
    others = np.setdiff1d(np.arange(len(names)), rows)
    head, rounds = train(base, Examples(features[rows], told[:, None] == classes, features[others]), case.recipe, seed)
    change = 100 * (precisions(head, case.archive) - before)
    is_labelled = np.isin(names, classes)
    return Outcome(change[others][is_labelled[others]].mean(), change[~is_labelled].mean(), change.mean(), rounds)


def train(base: Head, examples: Examples, recipe: HeadRecipe, seed: int) -> tuple[Head, int]:
    """The head, and after how many rounds; the earlier loss takes its last round."""
    if recipe == EARLIER:
        return list(fit_head(base, examples, EARLIER, seed))[-1], EARLIER.rounds
    cross = cross_fit(base, examples, recipe, seed, lambda *_: None)
    return fit_chosen(base, examples, cross, seed, lambda *_: None), cross.rounds


def precisions(head: Head, archive: Archive) -> NDArray[np.float64]:
    """(N,) average precision of every image as a query among all others."""
    embeddings = head.project(archive.features)
    everything = np.arange(len(embeddings))
    classes, numbers = np.unique(archive.names, return_inverse=True)
    labels = LabelSets([str(name) for name in classes], np.eye(len(classes), dtype=bool)[numbers])
    related = relevance(labels, labels, len(embeddings), len(embeddings), everything)
    return np.array(list(_each(embeddings, everything, related)))


def _each(embeddings: NDArray[np.float32], everything: NDArray[np.intp], related: Relevance) -> Iterator[float]:
    for chunk in ranked_chunks(embeddings, embeddings, everything, CHUNK):
        for _, ranks in related.ranks(chunk):
            yield average_precision(ranks)


if __name__ == "__main__":
    main()
