"""What a folder means, odd names and links and all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from app.domain.scheduling.globs import Glob
from app.domain.scheduling.schedules import Source
from app.errors import Forbidden, InvalidInput
from app.ports import Cancelled, RemoteFiles, go_on
from app.services.ingest.incoming.read_policy import ReadPolicy
from app.services.ingest.incoming.sources import Rejection, SourceFile, list_files
from app.services.ingest.incoming.unpacking import Unpacker
from app.services.schedules.downloads import Downloads
from app.services.schedules.source_listing import SourceListing
from tests.support.small_disk import run_on_small_disk


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of files, of which four should be found."""
    folder = tmp_path / "root"
    for name in ("b/2.tif", "b/deep/3.png", "a.tif", "c/4.jpg", ".hidden/x.tif", "b/.x.tif", "a.tif.ovr", "Thumbs.db"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def names(root: Path) -> list[str]:
    """The names of all that is found; rejections begin with `!`."""
    found = list_files(root, "R", ReadPolicy((root,)))
    return [each.name if isinstance(each, SourceFile) else f"!{each.file_name}" for each in found]


def test_all_files_below_in_order(root: Path) -> None:
    assert names(root) == ["R/a.tif", "R/b/2.tif", "R/b/deep/3.png", "R/c/4.jpg"]


def test_a_file_is_itself(root: Path) -> None:
    assert list(list_files(root / "a.tif", "A", ReadPolicy((root,)))) == [SourceFile("A", root / "a.tif")]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.tif", ["R/a.tif"]),
        ("**/*.tif", ["R/a.tif", "R/b/2.tif"]),
        ("b/**", ["R/b/2.tif", "R/b/deep/3.png"]),
        ("**", ["R/a.tif", "R/b/2.tif", "R/b/deep/3.png", "R/c/4.jpg"]),
        ("[bc]/*", ["R/b/2.tif", "R/c/4.jpg"]),
        ("b", []),
    ],
)
def test_only_what_a_pattern_matches(root: Path, pattern: str, found: list[str]) -> None:
    glob = Glob.parse(f"{root}/{pattern}")
    base = "R" + str(glob.base).removeprefix(str(root))
    listed = list_files(glob.base, base, ReadPolicy((root,)), glob)
    assert [each.name for each in listed if isinstance(each, SourceFile)] == found


def test_links_are_followed_to_files_inside_the_roots_only(root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.tif").write_bytes(b"x")
    (root / "c" / "good.tif").symlink_to(root / "a.tif")
    (root / "c" / "out.tif").symlink_to(tmp_path / "secret.tif")
    (root / "c" / "broken.tif").symlink_to(root / "gone.tif")
    (root / "c" / "circle.tif").symlink_to("circle.tif")
    (root / "c" / "up").symlink_to(root)
    found = names(root)
    assert {"R/c/good.tif", "!R/c/out.tif", "!R/c/broken.tif", "!R/c/circle.tif"} <= set(found)
    assert not any("up" in name for name in found)


def test_what_is_no_file_or_has_no_name_is_rejected(root: Path) -> None:
    os.mkfifo(root / "pipe")
    os.close(os.open(os.fsencode(root) + b"/\xe9.tif", os.O_CREAT))
    assert {"!R/pipe", "!R/?.tif"} <= set(names(root))


def test_a_folder_that_cannot_be_read_is_a_rejection(root: Path) -> None:
    at = os.open(root / "b", os.O_RDONLY)
    for _ in range(25):  # a path that is longer than the system takes, which nobody may read, not even root
        os.mkdir("n" * 200, dir_fd=at)
        at, parent = os.open("n" * 200, os.O_RDONLY, dir_fd=at), at
        os.close(parent)
    os.close(at)
    listed = list(list_files(root, "R", ReadPolicy((root,))))
    (rejection,) = (each for each in listed if isinstance(each, Rejection))
    assert rejection.file_name.startswith("R/b/nnn")
    assert "the folder cannot be read" in rejection.reason
    assert [each.name for each in listed if isinstance(each, SourceFile)] == [
        "R/a.tif",
        "R/b/2.tif",
        "R/b/deep/3.png",
        "R/c/4.jpg",
    ]


def test_roots_say_what_is_wrong(root: Path) -> None:
    with pytest.raises(Forbidden, match="DYAD_READ_ROOTS"):
        ReadPolicy((root,)).resolve(root.parent)
    with pytest.raises(InvalidInput, match="no such file"):
        ReadPolicy((root,)).resolve(root / "gone")
    (root / "circle").symlink_to("circle")
    with pytest.raises(InvalidInput, match="circle"):
        ReadPolicy((root,)).resolve(root / "circle")


FULL = """
from app.errors import OutOfSpace
from app.services.ingest.incoming.sources import SourceFile
from app.services.ingest.incoming.unpacking import Unpacker
from app.services.ingest.incoming.read_policy import ReadPolicy
from tests.support.images import zipped
(disk / "staging").mkdir()
archive = zipped(disk / "a.zip", {f"{n}.jpg": bytes(100_000) for n in range(9)})
try:
    print([found.file_name for found in Unpacker(disk / "staging", 1 << 30, ReadPolicy()).unpack(SourceFile("a.zip", archive))])
except OutOfSpace as error:
    print(error)
"""


def test_a_full_disk_is_no_fault_of_a_zip(tmp_path: Path) -> None:
    assert "staging: the disk is full; make room and try again" in run_on_small_disk(tmp_path, "300k", FULL)


class Reached(RemoteFiles):
    """Every address is named, and every file is on its way when it is asked whether to go on."""

    def check(self, url: str) -> str:
        return url

    def open(self, url: str, *, check: Callable[[], None] = go_on) -> None:
        check()

    def fetch(
        self,
        url: str,
        target: Path,
        max_bytes: int,
        *,
        allow_query: bool = False,
        body: bytes | None = None,
        check: Callable[[], None] = go_on,
    ) -> None:
        check()

    def stamp(self, url: str, *, check: Callable[[], None] = go_on) -> None:
        check()


def dismissed() -> None:
    raise Cancelled("dismissed")


def test_a_dismissed_job_takes_no_unfinished_download_for_a_bad_file(tmp_path: Path) -> None:
    url = "https://example.com/a.tif"
    read_policy = ReadPolicy(remote=Reached(), check=dismissed)
    with pytest.raises(Cancelled):
        list(Unpacker(tmp_path, 1, read_policy).unpack(SourceFile(url, tmp_path / "a.tif", url=url)))
    for source in (Source.of(url), Source(stac="https://example.com/catalog.json")):
        listing = SourceListing(source, read_policy, Downloads(read_policy, tmp_path, 1))
        with pytest.raises(Cancelled):
            list(listing.files(lambda file: iter([file])))
        assert listing.trouble is None
