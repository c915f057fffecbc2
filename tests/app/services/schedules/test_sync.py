"""Syncs beside the rest of the service: interrupted ones, and what a new active model makes of them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from app.container import Container
from app.domain.jobs import Job, JobStatus
from app.domain.queries.search import TileFilter
from app.services.reindex.reindex import KIND as REINDEX
from tests.support import images
from tests.support.archives import ANGLES, opened, write_models, write_pictures
from tests.support.bundles import tiny_graph, write_bundle
from tests.support.labelled import ended

NAME = "synced"
SECONDS = 600


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "pictures")


def scheduled(parts: Container, folder: Path, **more: Any) -> None:
    parts.schedules.put(NAME, cron="@yearly", sources=[str(folder)], **more)


def synced(parts: Container) -> dict[str, Any]:
    """A run to its good end; its result."""
    job = ended(parts, parts.schedules.submit(NAME))
    assert job.status is JobStatus.SUCCESSFUL, job.error
    assert job.result is not None
    return job.result


def test_a_new_active_model_is_built_in(tmp_path: Path, folder: Path) -> None:
    write_models(tmp_path / "home")
    with opened(tmp_path / "home", read_roots=(str(folder),)) as parts:
        parts.models.activate("base")
        parts.collections.create(NAME, tile_size=32)
        scheduled(parts, folder)
        assert synced(parts)["reindex_job"] is None
        parts.models.activate("other")
        reindex = parts.job_store.get(synced(parts)["reindex_job"])
        assert (reindex.kind, reindex.collection) == (REINDEX, NAME)
        job = ended(parts, reindex)
        assert job.result is not None, job.error
        assert job.result["candidate_version"] == "other.1"  # without labels a person decides
        assert synced(parts)["reindex_job"] is None
        parts.rollback.rollback(NAME, "other.1")
        assert parts.collections.live(NAME).model == "other"
        result = synced(parts)
        assert (result["unchanged"], result["indexed"], result["reindex_job"]) == (15 * len(ANGLES), 0, None)


def test_a_collection_of_a_named_model_keeps_it(tmp_path: Path, folder: Path) -> None:
    write_models(tmp_path / "home")
    with opened(tmp_path / "home", read_roots=(str(folder),)) as parts:
        parts.collections.create(NAME, tile_size=32, model="base")
        scheduled(parts, folder)
        parts.models.activate("other")
        assert synced(parts)["reindex_job"] is None


def test_a_model_that_does_not_fit_fails_no_sync(tmp_path: Path, folder: Path) -> None:
    write_bundle(tmp_path / "home" / "models" / "grey", tiny_graph(bands=1), bands=["grey"], normalisation=None)
    with opened(tmp_path / "home", read_roots=(str(folder),)) as parts:
        parts.models.activate("hog")
        parts.collections.create(NAME, bands=(1, 2, 3))
        scheduled(parts, folder)
        parts.models.activate("grey")
        assert synced(parts)["reindex_job"] is None


def test_an_interrupted_sync_goes_on_and_does_nothing_twice(tmp_path: Path, folder: Path) -> None:
    home = tmp_path / "home"
    with opened(home, read_roots=(str(folder),)) as parts:
        parts.collections.create(NAME, model="hog")
        scheduled(parts, folder, on_vanished="remove")
        synced(parts)
        for angle in ANGLES:
            (folder / str(angle) / "0.png").unlink()
            for number in range(1, 8):
                images.saved(folder / str(angle) / f"{number}.png", images.picture(seed=100 + number))
        job = parts.schedules.submit(NAME)
        _wait_until_running(parts, job)
    with opened(home, read_roots=(str(folder),)) as parts:
        assert ended(parts, job).status is JobStatus.SUCCESSFUL
        tiles = parts.vectors.scroll(parts.collections.live(NAME).index, limit=1000, filter=TileFilter()).tiles
        assert sorted(tile.source for tile in tiles) == sorted(str(path) for path in folder.rglob("*.png"))
        result = synced(parts)
        assert (result["unchanged"], result["indexed"], result["vanished"]) == (len(tiles), 0, 0)
        stored = {key for key in parts.blobs.keys(f"collections/{NAME}/") if not key.endswith("-preview.jpg")}
        assert stored == {tile.image for tile in tiles}


def _wait_until_running(parts: Container, job: Job) -> None:
    deadline = time.monotonic() + SECONDS
    while parts.job_store.get(job.id).status is JobStatus.ACCEPTED:
        if time.monotonic() > deadline:
            raise TimeoutError(job.id)
        time.sleep(0.005)
