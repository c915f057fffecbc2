from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from app.cluster.shared_folders import SharedFolders
from app.errors import OutOfSpace
from app.ports import Cancelled, Interrupted
from app.services.jobs.folders import JobFolders
from app.stores.blobs.object_blobs import ObjectBlobs

KINDS: dict[str, Callable[[Path], JobFolders]] = {
    "of one process": lambda path: JobFolders(path / "staging"),
    "shared": lambda path: SharedFolders(path / "staging", ObjectBlobs(path / "blobs")),
}


@pytest.fixture(params=KINDS)
def folders(request: pytest.FixtureRequest, tmp_path: Path) -> JobFolders:
    return KINDS[request.param](tmp_path)


def test_a_folder_goes_with_a_job_that_fails(folders: JobFolders) -> None:
    with pytest.raises(Cancelled), folders.working("cancelled"):
        raise Cancelled
    assert folders.ids() == []


def test_a_folder_stays_until_the_end_of_its_job_is_on_record(folders: JobFolders) -> None:
    with folders.working("done") as folder:
        (folder / "a").touch()
    assert folders.ids() == ["done"]


def test_a_folder_stays_for_a_job_that_will_go_on(folders: JobFolders) -> None:
    with pytest.raises(Interrupted), folders.working("later") as folder:
        (folder / "a").touch()
        raise Interrupted
    assert folders.ids() == ["later"]
    with folders.working("later") as folder:
        assert (folder / "a").exists()


def test_new_folders_are_of_jobs_to_come(folders: JobFolders) -> None:
    assert folders.ids() == []
    first, second = folders.new(), folders.new()
    assert sorted(folders.ids()) == sorted([first.name, second.name])
    folders.delete(first.name)
    folders.delete(first.name)
    assert folders.ids() == [second.name]


def test_what_does_not_fit_on_the_disk_is_refused(folders: JobFolders) -> None:
    folders.check_space(0)
    with pytest.raises(OutOfSpace, match=r"needs [0-9]+ MB more"):
        folders.check_space(1 << 60)


def test_what_was_shared_is_there_when_the_job_runs(folders: JobFolders) -> None:
    folder = folders.new()
    (folder / "in").mkdir()
    (folder / "in" / "a").write_bytes(b"1")
    folders.share(folder)
    with folders.working(folder.name) as here:
        folders.bring(here / "in" / "a")
        assert (here / "in" / "a").read_bytes() == b"1"
        assert not folders.bring(here / "in" / "a")
    folders.delete(folder.name)
    assert folders.ids() == []


def test_files_elsewhere_are_left_alone(folders: JobFolders, tmp_path: Path) -> None:
    assert not folders.bring(tmp_path / "scene.tif")
    assert not (tmp_path / "scene.tif").exists()
