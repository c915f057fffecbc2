from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.cluster import shared_folders
from app.cluster.shared_folders import SharedFolders
from app.container import Container
from app.domain.jobs import Job
from app.domain.queries.search import TileFilter
from app.errors import NotFound, Unavailable
from app.settings import load_settings
from app.stores.blobs.object_blobs import ObjectBlobs
from tests.support.context import Context
from tests.support.pictures import striped


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    made = Container(load_settings({}, home=tmp_path / "home", threads=1))
    made.start()
    yield made
    made.close()


@pytest.fixture
def blobs(tmp_path: Path) -> ObjectBlobs:
    return ObjectBlobs(tmp_path / "shared")


@pytest.fixture
def here(tmp_path: Path, blobs: ObjectBlobs) -> SharedFolders:
    return SharedFolders(tmp_path / "here", blobs)


@pytest.fixture
def there(tmp_path: Path, blobs: ObjectBlobs) -> SharedFolders:
    """The same of a process on another machine."""
    return SharedFolders(tmp_path / "there", blobs)


def staged(folders: SharedFolders, count: int = 3) -> Path:
    folder = folders.new()
    for number in range(count):
        (folder / str(number)).write_bytes(str(number).encode())
    return folder


def keys(blobs: ObjectBlobs) -> list[str]:
    return [*blobs.keys(shared_folders.UPLOADS), *blobs.keys(shared_folders.MARKS)]


def test_what_one_process_shares_another_brings(
    here: SharedFolders, there: SharedFolders, blobs: ObjectBlobs, tmp_path: Path
) -> None:
    folder = staged(here)
    here.share(folder)
    assert not folder.exists()
    with there.working(folder.name) as work:
        assert there.bring(work / "1")
        assert [path.name for path in work.iterdir()] == ["1"]
        assert (work / "1").read_bytes() == b"1"
        with pytest.raises(NotFound, match="9: the uploaded file of this job is missing"):
            there.bring(work / "9")
        assert [path.name for path in work.iterdir()] == ["1"]
    there.delete(folder.name)
    assert keys(blobs) == []
    assert list((tmp_path / "there").iterdir()) == []


def test_a_job_that_fails_loses_its_copy_and_one_that_waits_for_a_part_nothing(
    here: SharedFolders, there: SharedFolders
) -> None:
    folder = staged(here)
    here.share(folder)
    with pytest.raises(ValueError), there.working(folder.name) as work:
        there.bring(work / "1")
        raise ValueError
    assert there.ids() == []
    with pytest.raises(Unavailable), there.working(folder.name) as work:
        there.bring(work / "1")
        raise Unavailable("the vectors are away")
    with there.working(folder.name) as work:
        assert (work / "1").exists()
        assert there.bring(work / "2")


def test_a_store_that_is_away_is_told_and_what_was_staged_is_kept(
    here: SharedFolders, there: SharedFolders, tmp_path: Path
) -> None:
    shared = staged(here)
    here.share(shared)
    late = staged(here)
    shutil.move(tmp_path / "shared", tmp_path / "away")
    with pytest.raises(Unavailable):
        here.share(late)
    assert len(list(late.iterdir())) == 3
    with pytest.raises(Unavailable), there.working(shared.name) as work:
        there.bring(work / "1")
    there.delete(shared.name)  # says so in the log
    shutil.move(tmp_path / "away", tmp_path / "shared")
    here.share(late)
    assert there.bring(there.of(late.name) / "2")


def test_an_upload_that_nobody_finished_is_known_by_its_age(
    here: SharedFolders, there: SharedFolders, blobs: ObjectBlobs
) -> None:
    folder = staged(here)
    here.share(folder)
    assert there.ids() == []
    begun = datetime.now(UTC) - shared_folders.ABANDONED - timedelta(minutes=1)
    blobs.put(f"{shared_folders.MARKS}{folder.name}", begun.isoformat().encode())
    assert there.ids() == [folder.name]
    there.delete(folder.name)
    assert keys(blobs) == []
    blobs.put(f"{shared_folders.MARKS}damaged", b"???")
    assert there.ids() == ["damaged"]


class Record:
    """A `JobQueue` that only takes jobs in."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def submit(self, job: Job) -> None:
        self.jobs.append(job)


def test_an_upload_to_one_process_is_indexed_by_another(
    container: Container, here: SharedFolders, there: SharedFolders, blobs: ObjectBlobs, tmp_path: Path
) -> None:
    container.collections.create("c", model="hog", tile_size=64)
    ingest, record = container.ingest, Record()
    ingest._folders, ingest._queue = here, record  # type: ignore[assignment]
    folder = here.new()
    files = []
    for number in range(3):
        path = folder / f"{number}.part"
        path.write_bytes(striped(30.0 * number))
        files.append((f"{number}.png", path))
    ingest.submit_upload("c", folder, files, b'{"1.png": {"labels": ["one"]}}')
    (job,) = record.jobs
    blobs.delete([f"{shared_folders.UPLOADS}{job.id}/2.part"])

    ingest._folders = there
    context = Context()
    context.job = job
    result = ingest.run(context)
    assert (result["indexed"], result["files"]) == (2, 2)
    assert [entry["file_name"] for entry in result["rejected"]] == ["2.png"]
    assert "upload it again" in result["rejected"][0]["reason"]
    assert container.items.labels("c", TileFilter(), 10) == [("one", 1)]
    left = [path.name for path in (tmp_path / "there" / job.id).iterdir()]
    assert sorted(left) == ["manifest.jsonl", "metadata.json"]  # each picture went when it was indexed
