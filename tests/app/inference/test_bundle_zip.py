"""Zips of bundles: what goes out comes in again, and nothing else does."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import InvalidBundle, NotFound, TooLarge
from app.inference.bundle_zip import stream_bundle, unpack_bundle
from app.inference.bundles import read_bundle
from models.bundle.card import ModelCard
from tests.support.bundle_zips import HOSTILE, packed
from tests.support.bundles import digests, tiny_graph, write_bundle

LIMIT = 256 << 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "tiny", tiny_graph())


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def exported(folder: Path, archive: Path) -> Path:
    archive.write_bytes(b"".join(stream_bundle(folder, read_bundle(folder))))
    return archive


def test_a_bundle_survives_the_journey_and_equal_ones_are_equal_zips(folder: Path, tmp_path: Path) -> None:
    archive = exported(folder, tmp_path / "tiny.zip")
    with zipfile.ZipFile(archive) as file:
        assert file.testzip() is None
        assert file.namelist() == ["card.json", "encoder.onnx"]
    unpack_bundle(archive, tmp_path / "out", LIMIT)
    assert contents(tmp_path / "out") == contents(folder)
    again = exported(tmp_path / "out", tmp_path / "again.zip")
    assert again.read_bytes() == archive.read_bytes()


def test_large_files_leave_in_pieces(folder: Path) -> None:
    (folder / "weights.safetensors").write_bytes(bytes(range(256)) * 20_000)
    files = digests(folder, ["encoder.onnx", "weights.safetensors"])
    card = ModelCard.model_validate_json((folder / "card.json").read_bytes()).model_copy(update={"files": files})
    assert max(len(piece) for piece in stream_bundle(folder, card)) < 2 << 20


@pytest.mark.parametrize("top", ["", "tiny/", "any name/"])
def test_files_lie_at_the_top_or_in_one_folder(folder: Path, tmp_path: Path, top: str) -> None:
    junk = {"__MACOSX/._card.json": b"", f"{top}.DS_Store": b""}
    archive = packed(folder, tmp_path / "tiny.zip", top=top, more=junk)
    unpack_bundle(archive, tmp_path / "out", LIMIT)
    assert contents(tmp_path / "out") == contents(folder)


@pytest.mark.parametrize(("make", "reason"), [HOSTILE[name] for name in HOSTILE], ids=list(HOSTILE))
def test_hostile_zips_are_refused(folder: Path, tmp_path: Path, make: Callable[[Path, Path], Path], reason: str) -> None:
    archive = make(folder, tmp_path / "hostile.zip")
    with pytest.raises((InvalidBundle, TooLarge), match=reason):
        unpack_bundle(archive, tmp_path / "out", LIMIT)
        read_bundle(tmp_path / "out")
    assert not (tmp_path / "evil").exists()
    assert not Path("/tmp/evil").exists()


def test_bytes_are_counted_as_they_come_out(folder: Path, tmp_path: Path) -> None:
    archive = packed(folder, tmp_path / "tiny.zip", more={"weights.safetensors": bytes(2 << 20)})
    with pytest.raises(TooLarge, match="more than 1 MiB"):
        unpack_bundle(archive, tmp_path / "out", 1 << 20)


def test_an_empty_zip_gives_nothing(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    unpack_bundle(tmp_path / "empty.zip", tmp_path / "out", LIMIT)
    with pytest.raises(InvalidBundle, match=r"no card.json"):
        read_bundle(tmp_path / "out")


def test_a_bundle_that_is_deleted_while_it_leaves_leaves_whole(folder: Path, tmp_path: Path) -> None:
    card = read_bundle(folder)
    pieces = stream_bundle(folder, card)
    for path in folder.iterdir():
        path.unlink()
    (tmp_path / "tiny.zip").write_bytes(b"".join(pieces))
    with zipfile.ZipFile(tmp_path / "tiny.zip") as file:
        assert file.testzip() is None
    with pytest.raises(NotFound, match="cannot be read; was it deleted"):
        stream_bundle(folder, card)
