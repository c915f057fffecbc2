"""What an ingest does before and between its tiles ends with its job: listing, hashing, unpacking."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from app.imagery.sources.archives import extract
from app.ports import Cancelled
from app.ports.stopping import check_stop, stoppable
from app.services.ingest.events import Event, FileDone
from app.services.ingest.file_reader import HASH_BYTES, _sha256
from app.services.ingest.incoming.read_policy import ReadPolicy
from app.services.ingest.incoming.sources import SourceFile, list_files
from app.services.ingest.readers import Readers

PIECES = 8


def cancelled_after(calls: int) -> Callable[[], None]:
    left = [calls]

    def check() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Cancelled

    return check


def test_listing_a_folder(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"{number}.png").touch()
    with stoppable(cancelled_after(50)), pytest.raises(Cancelled):
        list(list_files(tmp_path, "x", ReadPolicy(anywhere=True)))


def test_hashing_a_file() -> None:
    with stoppable(cancelled_after(PIECES // 2)), pytest.raises(Cancelled):
        _sha256(io.BytesIO(bytes(PIECES * HASH_BYTES)))


def test_unpacking_a_member(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("a.bin", bytes(PIECES << 20))
    with stoppable(cancelled_after(PIECES // 2)), pytest.raises(Cancelled):
        list(extract(archive, "a.zip", tmp_path, 1 << 30))


def test_the_threads_of_the_readers_have_the_check_of_the_job(tmp_path: Path) -> None:
    def read(source: SourceFile, emit: Callable[[Event], None]) -> None:
        for _ in range(PIECES):
            check_stop()
        emit(FileDone(source, 1.0))

    with stoppable(cancelled_after(PIECES // 2)), pytest.raises(Cancelled):
        list(Readers(read, 2).events(iter([SourceFile("a", tmp_path)])))
