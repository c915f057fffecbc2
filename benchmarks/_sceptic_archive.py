"""An archive of images whose classes the service does not have, and five kinds of labels for some of them (bench_sceptic)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.container import Container
from app.domain.queries.search import TileFilter
from app.settings import load_settings

COLLECTION = "archive"
KINDS = ("right", "few", "one-sided", "shuffled", "half-shuffled")
POLL_SECONDS = 0.2

Means = tuple[float, float, float | None]
"""Mean average precision in points: of all tiles, of those of the labelled classes, of the others (None without others)."""


@dataclass(frozen=True, slots=True)
class Archive:
    """The indexed tiles. classes: (N,) number of the true class. features: (N, F). embeddings: (N, D) of the base model."""

    name: str
    ids: list[str]
    classes: NDArray[np.intp]
    names: list[str]
    features: NDArray[np.float32]
    embeddings: NDArray[np.float32]


def draw(kind: str, seed: int, classes: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(L,) rows to label, and the numbers of their labels."""
    random = np.random.default_rng([seed, KINDS.index(kind)])
    count = int(classes.max()) + 1
    few, some = int(random.integers(2, 6)), int(random.choice([4, 8, count]))
    chosen, low, high = {
        "right": (count, 5, 10),
        "few": (few, 3, 6),
        "one-sided": (4, 10, 20),
        "shuffled": (some, 8, 12),
        "half-shuffled": (some, 8, 12),
    }[kind]
    each = int(random.integers(low, high + 1))
    labels = random.permutation(count)[:chosen]
    rows = np.concatenate([random.permutation(np.flatnonzero(classes == label))[:each] for label in labels])
    given = classes[rows]
    if kind == "half-shuffled":
        half = random.permutation(len(rows))[: len(rows) // 2]
        given[half] = random.permutation(given[half])
    return rows, random.permutation(given) if kind == "shuffled" else given


def precisions(embeddings: NDArray[np.float32], classes: NDArray[np.intp]) -> NDArray[np.float64]:
    """(N,) average precision of each tile, in points; tiles of its class are relevant."""
    scores = embeddings @ embeddings.T
    np.fill_diagonal(scores, -np.inf)
    hits = classes[np.argsort(-scores, axis=1, kind="stable")[:, :-1]] == classes[:, None]
    ranks = np.arange(1, hits.shape[1] + 1)
    return np.asarray(100 * (hits * np.cumsum(hits, axis=1) / ranks).sum(axis=1) / hits.sum(axis=1))


def means(values: NDArray[np.float64], is_labelled: NDArray[np.bool_]) -> Means:
    """values: (N,) average precision of each tile. is_labelled: (N,) whether its class has labels."""
    others = values[~is_labelled]
    return float(values.mean()), float(values[is_labelled].mean()), float(others.mean()) if len(others) else None


def fill(folder: Path, data: Path, per_class: int) -> Archive:
    """Index some images of each class without labels; file names do not contain the class."""
    pictures = folder / "pictures"
    pictures.mkdir()
    truth: dict[str, str] = {}
    for kind in sorted(path for path in data.iterdir() if path.is_dir()):
        for path in sorted(kind.iterdir())[:per_class]:
            name = f"{len(truth):05d}{path.suffix}"
            (pictures / name).symlink_to(path.resolve())
            truth[name] = kind.name
    container = Container(load_settings({}, home=folder / "home"))
    container.start()
    try:
        container.collections.create(COLLECTION)
        job = container.ingest.submit_paths(COLLECTION, [pictures])
        while not container.jobs.get(job.id).status.ended:
            time.sleep(POLL_SECONDS)
        index = container.collections.live(COLLECTION).index
        tiles = container.vectors.scroll(index, limit=len(truth), filter=TileFilter()).tiles
        found = container.vectors.retrieve_vectors(index, [tile.id for tile in tiles])
    finally:
        container.close()
    names = sorted(set(truth.values()))
    classes = np.array([names.index(truth[tile.file_name]) for tile in tiles], np.intp)
    if found.feature is None:
        raise SystemExit("the default model has no features")
    return Archive(data.name, [tile.id for tile in tiles], classes, names, found.feature.astype(np.float32), found.embedding)
