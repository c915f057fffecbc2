"""What garbage collection deletes in a cluster while other processes work, and what it must keep."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.container import Container
from app.domain.jobs import Job, JobStatus
from app.services.maintenance import garbage
from app.services.maintenance.garbage import AGE, BUCKETS
from app.settings import load_settings
from tests.support.service import Service, running_service

NOW = datetime.now(UTC)
GRACE = timedelta(days=30)
LATER = NOW + GRACE + timedelta(minutes=1)
OLD = (NOW - 2 * AGE).timestamp()


@pytest.fixture
def blobs(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def container(tmp_path: Path, blobs: Path) -> Iterator[Container]:
    made = Container(load_settings({}, home=tmp_path / "home", blobs_url=f"file://{blobs}", threads=1))
    made.collections.create("c", model="hog")
    yield made
    made.close()


def collect(container: Container, now: datetime = NOW) -> int:
    return container.garbage.collect(now)


def image(blobs: Path, name: str, when: float = OLD) -> Path:
    """A file that lies where the images of `c` do."""
    path = blobs / "collections" / "c" / name[:2] / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    os.utime(path, (when, when))
    return path


def test_an_index_that_no_job_builds_is_deleted_after_the_grace_period(container: Container) -> None:
    index = container.indexes.begin("c", "hog", "job")
    container.vectors.create_index(index, 4)
    container.vectors.create_index("gone.hog.1", 4)
    assert collect(container) == 0
    assert collect(container, LATER - 2 * (LATER - NOW - GRACE)) == 0
    assert len(container.vectors.indexes()) == 3
    assert collect(container, LATER) >= 2
    assert container.vectors.indexes() == ["c.hog.1"]
    assert container.indexes.record(index) is None


def test_an_index_whose_job_came_back_is_kept_for_another_period(container: Container) -> None:
    index = container.indexes.begin("c", "hog", "job")
    container.vectors.create_index(index, 4)
    collect(container)
    job = Job(id="job", kind="reindex", collection="c", created=NOW, updated=NOW)
    container.job_store.create(job)
    assert collect(container, LATER) == 0
    container.job_store.delete("job")
    assert collect(container, LATER) == 0
    assert index in container.vectors.indexes()
    collect(container, LATER + 2 * GRACE)
    assert index not in container.vectors.indexes()


def test_a_clock_that_was_ahead_does_not_keep_garbage(container: Container) -> None:
    container.vectors.create_index("gone.hog.1", 4)
    collect(container, NOW + timedelta(days=365))
    collect(container, NOW)
    assert collect(container, LATER) == 1


def test_only_old_images_without_a_tile_are_deleted(blobs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage, "BUCKETS_AT_ONCE", BUCKETS)
    with running_service(tmp_path / "home", blobs_url=f"file://{blobs}", threads=1) as service:
        kept = uploaded(service, blobs)
        name = "ab000000-0000-4000-8000-000000000000-0123456789ab"
        unreferenced, young = image(blobs, f"{name}.jpg"), image(blobs, f"{name}-preview.jpg", NOW.timestamp())
        part = image(blobs, f"{name}.jpg#1")
        job = Job(id="job", kind="ingest", collection="c", created=NOW, updated=NOW)
        service.container.job_store.create(job)
        assert collect(service.container) == 0
        assert not part.exists()
        assert unreferenced.exists()
        service.container.queue.cancel("job")
        assert collect(service.container) == 1
        assert not unreferenced.exists()
        assert young.exists()
        assert all(path.exists() for path in kept)


def uploaded(service: Service, blobs: Path) -> list[Path]:
    """The images of two indexed tiles, old ones."""
    service.create("c", model="hog")
    picture = (Path(__file__).parents[4] / "docs" / "images" / "page.png").read_bytes()
    service.upload("c", {"a.png": picture, "b.png": picture})
    kept = [path for path in (blobs / "collections").rglob("*") if path.is_file()]
    assert len(kept) >= 2
    for path in kept:
        os.utime(path, (OLD, OLD))
    return kept


def test_a_pass_is_cut_into_buckets(container: Container, blobs: Path) -> None:
    image(blobs, "ff000000-0000-4000-8000-000000000000-0123456789ab.jpg")
    rounds = [collect(container) for _ in range(-(-BUCKETS // garbage.BUCKETS_AT_ONCE))]
    assert rounds == [0] * (len(rounds) - 1) + [1]


def test_the_unfinished_index_of_a_job_that_ended_is_deleted_at_once(container: Container) -> None:
    index = container.indexes.begin("c", "hog", "job")
    container.vectors.create_index(index, 4)
    container.job_store.create(Job(id="job", kind="reindex", collection="c", created=NOW, updated=NOW))
    assert collect(container) == 0
    container.job_store.update("job", status=JobStatus.DISMISSED)
    assert collect(container) == 1
    assert container.vectors.indexes() == ["c.hog.1"]
