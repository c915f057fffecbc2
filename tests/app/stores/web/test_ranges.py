"""Files of web servers, read in parts."""

from __future__ import annotations

import io

import pytest

from app.errors import NotThere, Unfetchable
from app.stores.web.ranges import BLOCK, RangedFile
from app.stores.web.web_files import HttpFiles
from tests.support.web import Answer, web_server

DATA = bytes(range(256)) * 2048


def test_parts_are_fetched_once() -> None:
    asked: list[tuple[int, int]] = []

    def get(start: int, end: int) -> bytes:
        asked.append((start, end))
        return DATA[start:end]

    file = RangedFile(len(DATA), get)
    file.seek(BLOCK + 10)
    assert file.read(5) == DATA[BLOCK + 10 : BLOCK + 15]
    file.seek(-3, io.SEEK_END)
    assert (file.read(100), file.read(1)) == (DATA[-3:], b"")
    file.seek(0)
    assert file.read() == DATA
    assert asked[:2] == [(BLOCK, 2 * BLOCK), (len(DATA) - BLOCK, len(DATA))]
    file.seek(BLOCK)
    assert (file.read(3), len(asked)) == (DATA[BLOCK : BLOCK + 3], 3)


def test_a_server_with_and_without_parts() -> None:
    with web_server(
        {"/a": Answer(DATA, headers={"ETag": '"1"'}, ranges=True), "/b": DATA, "/empty": Answer(ranges=True)}
    ) as web:
        files = HttpFiles([web.url])
        file = files.open(f"{web.url}/a")
        assert file is not None
        file.seek(300_000)
        assert file.read(10) == DATA[300_000:300_010]
        web.answers["/a"] = Answer(DATA, 200)
        file.seek(400_000)
        with pytest.raises(OSError, match="cannot be read"):
            file.read(10)
        assert isinstance(file.error, Unfetchable)
        assert "changed while it was read" in str(file.error)
        file.close()
        assert files.open(f"{web.url}/b") is None
        with pytest.raises(NotThere):
            files.open(f"{web.url}/none")
