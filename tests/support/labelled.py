"""A small collection with labels, indexed by the shipped model, which makes features and candidate features."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from app.container import Container
from app.domain.jobs import Job
from app.domain.queries.search import TileFilter
from app.domain.tiles import Tile
from tests.support.pictures import striped

CLASSES = {"stripes": 12, "slopes": 12, "rare": 1, "": 6}
ANGLES = {"stripes": 0, "slopes": 45, "rare": 90, "": 120}
SECONDS = 900  # programs of low priority wait long for a processor while other tests run


def write_pictures(folder: Path, counts: Mapping[str, int] = CLASSES) -> Path:
    """Class folders of so many pictures each; of the class "" directly in the folder."""
    for label, count in counts.items():
        (folder / label).mkdir(parents=True, exist_ok=True)
        for seed in range(count):
            picture = striped(ANGLES[label] + seed / 2, seed=seed, size=64)
            (folder / label / f"{label or 'none'}{seed}.png").write_bytes(picture)
    return folder


def index_labelled(container: Container, collection: str, folder: Path) -> list[Tile]:
    """Create the collection, index class folders into it, and return its tiles; those in no class folder have no label."""
    container.collections.create(collection, tile_size=64)
    ended(container, container.ingest.submit_paths(collection, [folder], labels_from_folders=True))
    for tile in tiles_of(container, collection, folder.name):
        container.items.patch(collection, tile.id, labels=())
    return tiles_of(container, collection)


def tiles_of(container: Container, collection: str, *labels: str) -> list[Tile]:
    """Its tiles in the order of their ids, of any of the labels if some are given."""
    return container.items.page(collection, TileFilter(labels=labels), 1000)[0].tiles


def ended(container: Container, job: Job, seconds: float = SECONDS) -> Job:
    """The job after it has ended and its folder has been deleted."""
    deadline = time.monotonic() + seconds
    while not (job := container.jobs.get(job.id)).status.ended:
        if time.monotonic() > deadline:
            raise TimeoutError(job)
        time.sleep(0.02)
    container.queue.wait(job.id, seconds)
    return job
