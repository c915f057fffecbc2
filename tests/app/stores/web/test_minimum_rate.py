"""A server that sends too little is given up; one that is only slow is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpcore
import pytest
from typing_extensions import override

from app.errors import Unfetchable
from app.stores.web import minimum_rate
from app.stores.web.minimum_rate import SLOW_BYTES, SLOW_SECONDS, SteadyStream
from app.stores.web.web_files import HttpFiles
from tests.support.web import endless_server


class Pieces(httpcore.NetworkStream):
    """Gives `sizes` bytes by turns, `seconds` apart."""

    def __init__(self, sizes: list[int], seconds: float) -> None:
        self.now = 0.0
        self._sizes = iter(sizes)
        self._seconds = seconds

    @override
    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.now += self._seconds
        return bytes(next(self._sizes))


def read_all(pieces: Pieces) -> int:
    stream = SteadyStream(pieces, clock=lambda: pieces.now)
    return sum(iter(lambda: len(stream.read(65536)), 0))


def test_enough_in_every_minute_is_enough() -> None:
    assert read_all(Pieces([SLOW_BYTES // 2] * 50 + [0], SLOW_SECONDS / 3)) == 50 * (SLOW_BYTES // 2)


def test_the_end_may_be_late() -> None:
    assert read_all(Pieces([100, 0], 0.9 * SLOW_SECONDS)) == 100


def test_too_little_in_a_minute_ends_it_even_after_much() -> None:
    for sizes in ([1] * 1000, [1 << 20] + [1] * 1000):
        pieces = Pieces(sizes, SLOW_SECONDS / 10)
        with pytest.raises(httpcore.ReadTimeout, match="bytes arrived in"):
            read_all(pieces)
        assert pieces.now < 2.5 * SLOW_SECONDS


@pytest.fixture
def trickling() -> Iterator[str]:
    with endless_server() as url:
        yield url


def test_a_file_that_trickles_in_is_not_waited_for(trickling: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minimum_rate, "SLOW_SECONDS", 0.2)
    with pytest.raises(Unfetchable, match="bytes arrived in"):
        HttpFiles([trickling]).fetch(f"{trickling}a.tif", tmp_path / "a.tif", 1 << 20)
    assert list(tmp_path.iterdir()) == []


class Dismissed(Exception):
    pass


def test_a_download_that_nobody_wants_any_more_ends_at_its_next_piece(trickling: str, tmp_path: Path) -> None:
    def check() -> None:
        raise Dismissed

    with pytest.raises(Dismissed):
        HttpFiles([trickling]).fetch(f"{trickling}a.tif", tmp_path / "a.tif", 1 << 20, check=check)
    assert list(tmp_path.iterdir()) == []
