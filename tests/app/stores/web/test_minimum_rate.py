"""A server that sends too little is given up; one that is only slow is not."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpcore
import pytest
from typing_extensions import override

from app.errors import Unfetchable
from app.stores.web import minimum_rate
from app.stores.web.minimum_rate import HEAD_SECONDS, SLOW_BYTES, SLOW_SECONDS, Download, SteadyStream
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


def body(pieces: Pieces) -> Download:
    download = Download(clock=lambda: pieces.now)
    download.end_head()
    return download


def read_all(pieces: Pieces) -> int:
    stream = SteadyStream(pieces, body(pieces))
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


@contextmanager
def answering(first: bytes, then: bytes, seconds: float = 0.0) -> Iterator[str]:
    """The address of a server that answers with `first`, then with `then` again and again, `seconds` apart."""
    over = threading.Event()

    def serve(listening: socket.socket) -> None:
        while not over.is_set():
            connection, _ = listening.accept()
            with connection, suppress(OSError):  # the client closes it
                connection.sendall(first)
                while not over.wait(seconds):
                    connection.sendall(then)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        thread = threading.Thread(target=serve, args=(listening,), name="answering")
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            over.set()
            socket.create_connection(("127.0.0.1", port)).close()
            thread.join()


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize(
    ("first", "then", "seconds"),
    [
        (b"", CONTINUE, 0.01),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 0.01),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", 0.05),
        (b"HTTP/1.1 200 OK\r\nX: ", b"y", 0.05),
    ],
    ids=["100", "103", "headers", "a header"],
)
def test_a_head_that_does_not_end_is_given_up(
    first: bytes, then: bytes, seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minimum_rate, "HEAD_SECONDS", 0.5)
    with answering(first, then, seconds) as url, pytest.raises(Unfetchable, match=r"not complete after 0.5 s"):
        HttpFiles([url]).fetch(f"{url}a.tif", tmp_path / "a.tif", 1 << 20)
    assert list(tmp_path.iterdir()) == []


def test_interim_answers_without_end_are_given_up_by_their_size(tmp_path: Path) -> None:
    begun = time.monotonic()
    with answering(b"", CONTINUE * 1000) as url, pytest.raises(Unfetchable, match="more than 1024 KB"):
        HttpFiles([url]).fetch(f"{url}a.tif", tmp_path / "a.tif", 1 << 20)
    assert time.monotonic() - begun < HEAD_SECONDS


@pytest.mark.parametrize(
    ("first", "then"),
    [(b"", CONTINUE), (b"", b""), (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nabc", b"")],
    ids=["100 Continue", "silent", "silent after a part"],
)
def test_a_dismissed_download_ends_whatever_the_server_does(first: bytes, then: bytes, tmp_path: Path) -> None:
    begun = time.monotonic()

    def check() -> None:
        if time.monotonic() - begun > 0.5:
            raise Dismissed

    with answering(first, then, 0.1) as url, pytest.raises(Dismissed):
        HttpFiles([url]).fetch(f"{url}a.tif", tmp_path / "a.tif", 1 << 20, check=check)
    assert time.monotonic() - begun < 5
    assert list(tmp_path.iterdir()) == []


def test_a_dismissed_download_does_not_wait_for_the_resolver(tmp_path: Path) -> None:
    resolving, begun = threading.Event(), time.monotonic()

    def lookup(host: str, port: int) -> list[str]:
        resolving.wait(60)
        return ["127.0.0.1"]

    def check() -> None:
        if time.monotonic() - begun > 0.5:
            raise Dismissed

    files = HttpFiles(["http://slow.example/"], lookup=lookup)
    with pytest.raises(Dismissed):
        files.fetch("http://slow.example/a.tif", tmp_path / "a.tif", 1 << 20, check=check)
    assert time.monotonic() - begun < 5
    resolving.set()
