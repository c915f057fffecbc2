"""Files of a shard that were changed after it was closed are found before the engine reads them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.atomic_files import replace_file
from app.domain.queries.search import TileFilter
from app.errors import Damaged
from app.stores.vectors.edge import edge_store, manifest
from app.stores.vectors.edge.edge_index import EdgeIndex
from app.stores.vectors.edge.edge_store import EdgeVectorStore
from app.stores.vectors.edge.manifest import check_files, write_manifest
from tests.app.stores.vectors.edge.test_edge_store import INDEX, tiles, vectors


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of an index with 20 tiles, closed."""
    store = EdgeVectorStore(tmp_path, reserve=0)
    store.create_index(INDEX, 4)
    store.upsert(INDEX, tiles(range(20)), vectors(20))
    store.close()
    assert check_files(tmp_path / INDEX)
    return tmp_path / INDEX


def copied(folder: Path, name: str) -> Path:
    """A copy beside a folder, with its holes: what a process that is killed now leaves."""
    target = folder.with_name(f"{folder.name}-{name}")
    subprocess.run(["cp", "-r", str(folder), str(target)], check=True)
    return target


def test_one_bit_in_any_file_with_content_is_found(folder: Path) -> None:
    files = [path for path in (folder / "shard").rglob("*") if path.is_file() and any(path.read_bytes())]
    assert len(files) > 10
    for path in files:
        original = path.read_bytes()
        place = next(place for place, byte in enumerate(original) if byte)
        path.write_bytes(original[:place] + bytes([original[place] ^ 1]) + original[place + 1 :])
        with pytest.raises(Damaged, match=f"{path.name} was changed after Dyad closed it"):
            check_files(folder)
        path.write_bytes(original)
        assert check_files(folder), "a copy without holes is the same file"


def test_a_shard_that_was_not_closed_is_not_known_to_be_intact(folder: Path) -> None:
    write_manifest(folder, is_open=True)
    assert check_files(folder) is False


def test_a_kill_at_any_moment_is_not_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies of the folder at each step of opening, writing and closing are what a killed process leaves."""
    kills: list[Path] = []

    def kill() -> None:
        if (tmp_path / "home" / INDEX).exists():
            kills.append(copied(tmp_path / "home", f"kill {len(kills)}"))

    def surrounded(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            kill()
            try:
                return function(*arguments, **options)
            finally:
                kill()

        return call

    monkeypatch.setattr(manifest, "replace_file", surrounded(replace_file))
    monkeypatch.setattr(EdgeIndex, "__init__", surrounded(EdgeIndex.__init__))
    monkeypatch.setattr(EdgeIndex, "flush", surrounded(EdgeIndex.flush))
    for number in range(2):
        store = EdgeVectorStore(tmp_path / "home", reserve=0)
        if number == 0:
            store.create_index(INDEX, 4)
        store.upsert(INDEX, tiles(range(20 * number, 20 * number + 20)), vectors(20))
        kill()
        store.flush(INDEX)
        store.close()
        kill()
    monkeypatch.undo()
    assert len(kills) > 15
    for folder in kills:
        check_files(folder / INDEX)
    for folder in kills[-3:]:
        again = EdgeVectorStore(folder, reserve=0)
        assert again.count(INDEX, TileFilter()) == 40
        again.close()
        assert check_files(folder / INDEX)


def test_a_journal_that_the_engine_removes_when_it_opens_the_shard_is_not_missing(folder: Path, tmp_path: Path) -> None:
    journals = list(folder.rglob("tracker_journal.dat"))
    assert journals
    store = EdgeVectorStore(tmp_path, reserve=0)
    assert store.count(INDEX, TileFilter()) == 20
    assert not all(path.exists() for path in journals)
    killed = copied(folder, "killed")
    store.close()
    assert check_files(killed) is False


def test_a_record_that_a_kill_cut_is_not_damage(folder: Path, tmp_path: Path) -> None:
    write_manifest(folder, is_open=True)
    (mappings,) = folder.rglob("mutable_id_tracker.mappings")
    whole = mappings.read_bytes()
    mappings.write_bytes(whole + whole[:5])
    store = EdgeVectorStore(tmp_path, reserve=0)
    assert store.count(INDEX, TileFilter()) == 20
    assert mappings.read_bytes() == whole, "the engine removes it"
    killed = copied(folder, "killed")
    store.close()
    assert check_files(killed) is False


def test_a_kill_while_an_unclean_shard_is_opened_is_not_damage(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_manifest(folder, is_open=True)
    (mappings,) = folder.rglob("mutable_id_tracker.mappings")
    with mappings.open("ab") as file:
        file.write(b"\x00\x01\x02")

    def truncate(*_: object, **__: object) -> None:
        os.truncate(mappings, mappings.stat().st_size - 3)
        raise ZeroDivisionError

    monkeypatch.setattr(edge_store, "TabledIndex", truncate)
    monkeypatch.setattr(edge_store, "probe", lambda _: None)
    with pytest.raises(ZeroDivisionError):
        EdgeVectorStore(tmp_path, reserve=0).count(INDEX, TileFilter())
    assert check_files(folder) is False


def test_a_copy_that_is_killed_is_not_damage(folder: Path, tmp_path: Path) -> None:
    store = EdgeVectorStore(tmp_path, reserve=0)
    assert store.count(INDEX, TileFilter()) == 20
    target = f"{INDEX[:-1]}2"
    assert store.copy_with_vectors(INDEX, target, lambda old: -old.embedding, step=lambda *_: None)
    killed = copied(tmp_path, "killed")
    store.close()
    assert [check_files(killed / name) for name in (INDEX, target)] == [False, False]
