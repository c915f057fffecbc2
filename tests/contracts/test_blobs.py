"""One suite over every `Blobs`."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from app.errors import DyadError, InvalidInput, NotFound
from app.ports import Blobs
from app.stores.blobs.object_blobs import ObjectBlobs
from tests.support.s3 import S3Server

Open = Callable[[Path, pytest.FixtureRequest], Blobs]


def on_s3(path: Path, request: pytest.FixtureRequest) -> Blobs:
    server: S3Server = request.getfixturevalue("s3")
    return ObjectBlobs(f"s3://{server.bucket()}/some/prefix", public_url=server.url)


STORES: dict[str, Open] = {
    "folder": lambda path, _: ObjectBlobs(path / "blobs"),
    "folder by url": lambda path, _: ObjectBlobs(f"file://{path}/blobs"),
    "s3": on_s3,
}


@pytest.fixture(params=STORES)
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    return STORES[request.param](tmp_path, request)


def test_bytes_come_back(blobs: Blobs) -> None:
    data = os.urandom(100_000)
    blobs.put("collections/ucm/images/a b/ü%41.jpg", data)
    assert blobs.get("collections/ucm/images/a b/ü%41.jpg") == data
    assert blobs.exists("collections/ucm/images/a b/ü%41.jpg")
    assert list(blobs.keys("collections/ucm/")) == ["collections/ucm/images/a b/ü%41.jpg"]


def test_keys_may_be_asked_for_by_their_age(blobs: Blobs) -> None:
    blobs.put("a/1", b"1")
    now = datetime.now(UTC)
    assert list(blobs.keys("a/", now - timedelta(hours=1))) == []
    assert list(blobs.keys("a/", now + timedelta(hours=1))) == ["a/1"]
    blobs.delete_incomplete(now + timedelta(hours=1))
    assert blobs.get("a/1") == b"1"


def test_an_empty_value_is_a_value(blobs: Blobs) -> None:
    blobs.put("a/empty", b"")
    assert blobs.get("a/empty") == b""
    assert blobs.exists("a/empty")
    assert blobs.size("a/empty") == 0


def test_a_file_is_streamed_in(blobs: Blobs, tmp_path: Path) -> None:
    source = tmp_path / "scene.tif"
    source.write_bytes(os.urandom(12_000_000))
    blobs.put("scenes/1", source)
    assert blobs.get("scenes/1") == source.read_bytes()
    assert blobs.size("scenes/1") == 12_000_000
    assert source.exists()


def test_a_large_value_is_fetched_into_a_file_of_its_own(blobs: Blobs, tmp_path: Path) -> None:
    data = os.urandom(20_000_000)
    blobs.put("a/b", data)
    blobs.fetch("a/b", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == data
    with pytest.raises(FileExistsError):
        blobs.fetch("a/b", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == data
    blobs.put("a/empty", b"")
    blobs.fetch("a/empty", tmp_path / "empty")
    assert (tmp_path / "empty").read_bytes() == b""
    with pytest.raises(NotFound, match="a/none"):
        blobs.fetch("a/none", tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_put_replaces(blobs: Blobs) -> None:
    blobs.put("a/b", b"old")
    blobs.put("a/b", b"new")
    assert blobs.get("a/b") == b"new"


@pytest.mark.parametrize("key", ["a/b.json", "a/b ü.json"])
def test_a_value_is_read_again_only_when_it_changed(blobs: Blobs, key: str) -> None:
    blobs.put(key, b"first")
    first = blobs.get_changed(key, None)
    assert first is not None
    assert first[0] == b"first"
    assert blobs.get_changed(key, first[1]) is None
    blobs.put(key, b"other")
    second = blobs.get_changed(key, first[1])
    assert second is not None
    assert second[0] == b"other"
    blobs.delete([key])
    with pytest.raises(NotFound):
        blobs.get_changed(key, second[1])


def test_what_is_not_there_is_named(blobs: Blobs) -> None:
    with pytest.raises(NotFound, match="a/b"):
        blobs.get("a/b")
    with pytest.raises(NotFound, match="a/b"):
        blobs.size("a/b")
    assert not blobs.exists("a/b")
    blobs.put("a/b/c", b"1")
    assert not blobs.exists("a/b")
    assert list(blobs.keys("nothing/")) == []


def test_keys_are_those_under_the_prefix(blobs: Blobs) -> None:
    for key in ("a/1", "a/x/2", "ab/3", "b/a/4"):
        blobs.put(key, b"1")
    assert sorted(blobs.keys("a/")) == ["a/1", "a/x/2"]
    blobs.delete_prefix("a/")
    assert sorted([*blobs.keys("a/"), *blobs.keys("ab/"), *blobs.keys("b/")]) == ["ab/3", "b/a/4"]
    blobs.delete_prefix("a/")
    assert sorted([*blobs.keys("a/"), *blobs.keys("ab/"), *blobs.keys("b/")]) == ["ab/3", "b/a/4"], "an empty prefix"
    assert blobs.get("ab/3") == b"1"


def test_delete_ignores_unknown_keys(blobs: Blobs) -> None:
    for number in range(20):
        blobs.put(f"a/{number}", b"1")
    blobs.delete(["a/0", "none", "a/none", *(f"a/{number}" for number in range(1, 19))])
    assert list(blobs.keys("a/")) == ["a/19"]
    blobs.delete([])
    blobs.delete(["a/0"])
    assert list(blobs.keys("a/")) == ["a/19"]
    assert blobs.get("a/19") == b"1"


@pytest.mark.parametrize("key", ["", "/a", "a/", "../a", "a/../../b", "a/./b", "a//b", "..", "a\x00b", "..\\a"])
def test_keys_stay_under_the_root(blobs: Blobs, tmp_path: Path, key: str) -> None:
    calls: tuple[Callable[[], object], ...] = (
        lambda: blobs.put(key, b"1"),
        lambda: blobs.get(key),
        lambda: blobs.exists(key),
        lambda: blobs.delete([key]),
        lambda: blobs.fetch(key, tmp_path / "copy"),
        lambda: blobs.sign(key, 60),
    )
    for call in calls:
        with pytest.raises(InvalidInput, match="blob key"):
            call()
    assert list(tmp_path.rglob("copy")) == []
    blobs.put("a/1", b"1")
    assert list(blobs.keys("a/")) == ["a/1"]


@pytest.mark.parametrize("prefix", ["", "a", "/", "../", "a/../"])
def test_prefixes_stay_under_the_root(blobs: Blobs, prefix: str) -> None:
    blobs.put("a/1", b"1")
    with pytest.raises(InvalidInput, match="blob"):
        blobs.delete_prefix(prefix)
    with pytest.raises(InvalidInput, match="blob"):
        list(blobs.keys(prefix))
    assert blobs.get("a/1") == b"1"


def test_a_reader_never_sees_a_part(blobs: Blobs) -> None:
    values = [bytes([value]) * 3_000_000 for value in (1, 2)]
    blobs.put("a/b", values[0])
    done = threading.Event()
    seen: list[bytes] = []

    def read() -> None:
        while not done.is_set():
            seen.append(blobs.get("a/b"))

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(20):
        blobs.put("a/b", values[turn % 2])
    done.set()
    reader.join()
    assert seen
    assert all(value in values for value in seen)


def test_puts_beside_deletes_lose_nothing(blobs: Blobs) -> None:
    turns = 200 if blobs.sign("a", 60) is None else 40  # over HTTP each takes longer, and there is no folder to prune

    def churn(name: str) -> None:
        for _ in range(turns):
            blobs.put(f"deep/er/{name}", b"1")
            assert blobs.exists(f"deep/er/{name}")
            blobs.delete([f"deep/er/{name}"])

    errors: list[BaseException] = []

    def run(name: str) -> None:
        try:
            churn(name)
        except (AssertionError, DyadError) as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(str(number),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert list(blobs.keys("deep/")) == []


def test_a_signed_address_gives_the_bytes_to_anybody(blobs: Blobs) -> None:
    blobs.put("a/ü b%41.jpg", b"picture")
    address = blobs.sign("a/ü b%41.jpg", 60)
    if address is None:
        assert not isinstance(blobs, ObjectBlobs) or blobs._folder is not None, "only a folder has no addresses"
        return
    answer = httpx.get(address)
    assert (answer.content, answer.headers["content-type"]) == (b"picture", "image/jpeg")


def test_ping_stores_nothing(blobs: Blobs) -> None:
    blobs.put("a/1", b"1")
    blobs.ping()
    assert not blobs.exists("ping")
    assert blobs.get("a/1") == b"1"
