"""Blobs in a local folder: what the folder contains, and a full disk."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.stores.blobs.object_blobs import ObjectBlobs
from tests.support.small_disk import run_on_small_disk


def test_the_folder_is_made(tmp_path: Path) -> None:
    blobs = ObjectBlobs(tmp_path / "new" / "blobs")
    blobs.put("a/b", b"1")
    assert (tmp_path / "new" / "blobs" / "a" / "b").read_bytes() == b"1"
    assert list(blobs.keys("a/")) == ["a/b"]
    assert blobs.sign("a/b", 60) is None


def test_deleting_a_prefix_leaves_no_folder_behind(tmp_path: Path) -> None:
    blobs = ObjectBlobs(tmp_path)
    blobs.put("collections/ucm/images/1.jpg", b"1")
    blobs.put("collections/naip/images/1.jpg", b"1")
    (tmp_path / "collections" / "ucm" / "images" / "2.jpg#1").write_bytes(b"what a killed put leaves")
    assert list(blobs.keys("collections/ucm/")) == ["collections/ucm/images/1.jpg"]
    blobs.delete_prefix("collections/ucm/")
    assert [path.name for path in (tmp_path / "collections").iterdir()] == ["naip"]
    assert blobs.get("collections/naip/images/1.jpg") == b"1"


def test_tidy_removes_old_parts_of_puts_only(tmp_path: Path) -> None:
    blobs = ObjectBlobs(tmp_path)
    blobs.put("a/1.jpg", b"1")
    part = tmp_path / "a" / "2.jpg#1"
    part.write_bytes(b"what a killed put leaves")
    now = datetime.now(UTC)
    blobs.delete_incomplete(now - timedelta(hours=1))
    assert part.exists()
    blobs.delete_incomplete(now + timedelta(hours=1))
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["1.jpg"]


FULL = """
from app.errors import OutOfSpace
from app.stores.blobs.object_blobs import ObjectBlobs
blobs = ObjectBlobs(disk / "blobs")
blobs.put("a/old", b"old")
source = disk / "source"
source.write_bytes(bytes(100_000))
for data in (bytes(400_000), bytes(12_000_000), source):
    for turn in range(3):
        try:
            blobs.put("a/old" if turn == 0 and data is not source else f"a/{turn}", data)
        except OutOfSpace as error:
            print(error)
print(blobs.get("a/old"))
"""


def test_a_full_disk_says_so_and_keeps_what_was_there(tmp_path: Path) -> None:
    lines = run_on_small_disk(tmp_path, "300k", FULL).splitlines()
    assert lines[-1] == "b'old'"
    assert len(lines) >= 7
    assert all("disk is full" in line for line in lines[:-1])
