"""What becomes of the blobs when their store goes away, refuses or hangs. Nothing may look empty then."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.errors import InvalidInput, Unavailable
from app.stores.blobs import object_store
from app.stores.blobs.object_blobs import ObjectBlobs
from tests.support.s3 import ALLOW_ALL, REFUSE, S3Server

CALLS: dict[str, Callable[[ObjectBlobs, Path], object]] = {
    "put": lambda blobs, _: blobs.put("a/b", b"new"),
    "put large": lambda blobs, _: blobs.put("a/b", bytes(12_000_000)),
    "get": lambda blobs, _: blobs.get("a/b"),
    "get what is not there": lambda blobs, _: blobs.get("a/none"),
    "fetch": lambda blobs, path: blobs.fetch("a/b", path / "copy"),
    "exists": lambda blobs, _: blobs.exists("a/b"),
    "keys": lambda blobs, _: list(blobs.keys("a/")),
    "size": lambda blobs, _: blobs.size("a/b"),
    "delete": lambda blobs, _: blobs.delete(["a/b", "a/c"]),
    "delete prefix": lambda blobs, _: blobs.delete_prefix("a/"),
    "ping": lambda blobs, _: blobs.ping(),
}


@pytest.fixture
def blobs(s3: S3Server) -> ObjectBlobs:
    blobs = ObjectBlobs(f"s3://{s3.bucket()}/prefix")
    blobs.put("a/b", b"old")
    return blobs


@pytest.fixture
def refusing(s3: S3Server) -> Iterator[Callable[[], None]]:
    yield lambda: s3.authorize(REFUSE)
    s3.authorize(ALLOW_ALL)


def bucket_of(blobs: ObjectBlobs) -> str:
    return blobs._name.split("/")[2]


def test_a_bucket_that_vanished_is_named(s3: S3Server, blobs: ObjectBlobs, tmp_path: Path) -> None:
    s3.drop(bucket_of(blobs))
    for name, call in CALLS.items():
        with pytest.raises(Unavailable, match=f"{bucket_of(blobs)}.*no such bucket"):
            raise AssertionError(f"{name} gave {call(blobs, tmp_path)!r}")
    assert not (tmp_path / "copy").exists()


def test_refused_credentials_are_named_and_nothing_is_lost(
    refusing: Callable[[], None], s3: S3Server, blobs: ObjectBlobs, tmp_path: Path
) -> None:
    refusing()
    for name, call in CALLS.items():
        with pytest.raises(Unavailable, match=f"{bucket_of(blobs)}.*refuses the credentials"):
            raise AssertionError(f"{name} gave {call(blobs, tmp_path)!r}")
    s3.authorize(ALLOW_ALL)
    assert blobs.get("a/b") == b"old"
    assert list(blobs.keys("a/")) == ["a/b"]


def test_a_store_that_is_down_or_hangs_is_given_up_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with S3Server(tmp_path / "log") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        url = f"s3://{server.bucket()}"
        with monkeypatch.context() as hasty:
            hasty.setattr(object_store, "_CLIENT", {**object_store._CLIENT, "read_timeout": "300ms"})
            hasty.setattr(object_store, "_RETRY", {"max_retries": 0})
            limited_wait = ObjectBlobs(url)
        blobs = ObjectBlobs(url)
        blobs.put("kept/b", b"old")
        server.hold()
        for name, call in CALLS.items():
            began = time.monotonic()
            with pytest.raises(Unavailable, match=url):
                raise AssertionError(f"{name} gave {call(limited_wait, tmp_path)!r}")
            assert time.monotonic() - began < 30
        server.go_on()
        assert blobs.get("kept/b") == b"old"  # what was written under `a/` may have arrived all the same
    for name, call in CALLS.items():
        with pytest.raises(Unavailable, match=url):
            raise AssertionError(f"{name} gave {call(limited_wait, tmp_path)!r}")


def test_a_folder_that_went_away_is_named_and_not_made_anew(tmp_path: Path) -> None:
    blobs = ObjectBlobs(f"file://{tmp_path}/blobs")
    blobs.put("a/b", b"old")
    shutil.move(tmp_path / "blobs", tmp_path / "elsewhere")
    for name, call in CALLS.items():
        with pytest.raises(Unavailable, match="is missing"):
            raise AssertionError(f"{name} gave {call(blobs, tmp_path)!r}")
    assert not (tmp_path / "blobs").exists()
    shutil.move(tmp_path / "elsewhere", tmp_path / "blobs")
    assert blobs.get("a/b") == b"old"


@pytest.mark.parametrize("url", ["gopher://host/path", "http://host/path", "memory:///", "s3://"])
def test_a_url_of_no_known_store_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="blob store"):
        ObjectBlobs(url)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable, match="cannot be used"):
        ObjectBlobs(tmp_path / "file" / "blobs")


@pytest.mark.parametrize(
    ("url", "environment"),
    [
        ("gs://bucket/prefix", {"GOOGLE_SKIP_SIGNATURE": "true"}),
        ("az://container/prefix", {"AZURE_STORAGE_ACCOUNT_NAME": "name", "AZURE_SKIP_SIGNATURE": "true"}),
    ],
)
def test_other_clouds_come_by_configuration(url: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**environment, "HTTPS_PROXY": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(object_store, "_RETRY", {"max_retries": 0})
    with pytest.raises(Unavailable, match=url):
        ObjectBlobs(url).get("a/b")
