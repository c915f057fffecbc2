"""Backup and restore: everything destroyed, made anew from the file, and search agrees."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.container import Container
from app.domain.models import DEFAULT_MODEL
from app.domain.queries.search import SearchQuery
from app.domain.tiles import Tile
from app.errors import Conflict, DyadError, InvalidInput, OutOfSpace, Unavailable
from app.services.backup.archive import CONTENTS, DURABLE, open_backup
from app.settings import load_settings
from tests.support.bundles import tiny_graph, write_bundle
from tests.support.labelled import index_labelled, tiles_of, write_pictures
from tests.support.s3 import S3Server


@dataclass(frozen=True)
class Lost:
    """What a service knew that is destroyed by now, and its backup."""

    backup: Path
    tiles: list[Tile]
    found: list[list[tuple[str, float, float | None]]]
    image: tuple[bytes, str, str]
    models: list[str]
    jobs: list[tuple[str, list[str]]]
    kinds: set[str]


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> Lost:
    """Of a labelled collection, an empty one, an added model that is the default, and jobs."""
    folder = tmp_path_factory.mktemp("lost")
    container = open_empty(folder)
    container.start()
    tiles = index_labelled(container, "shapes", write_pictures(folder / "pictures", {"stripes": 6, "slopes": 6}))
    container.models.install(write_bundle(folder / "given" / "mine", tiny_graph()))
    container.models.activate("mine")
    container.collections.create("empty", title="nothing yet")
    found = answers(container, tiles)
    container.backup.write(folder / "backup.zip")
    made = Lost(
        folder / "backup.zip",
        tiles,
        found,
        container.items.image(tiles[0]),
        [card.id for card in container.models.cards()],
        [(job.id, list(container.job_store.items(job.id))) for job in container.jobs.list()],
        {f"{path.name}/" for path in container.home.blobs.iterdir()},
    )
    container.close()
    shutil.rmtree(container.home.path)
    return made


@pytest.fixture
def written(lost: Lost) -> Path:
    return lost.backup


def open_empty(tmp_path: Path, name: str = "new", **settings: str) -> Container:
    return Container(load_settings({}, home=tmp_path / name, threads=1, **settings))


def answers(container: Container, tiles: list[Tile]) -> list[list[tuple[str, float, float | None]]]:
    """What the first places are of searches by some tiles, with scores and probabilities."""
    found = []
    for tile in tiles[:5]:
        result = container.search.search("shapes", SearchQuery(positives=(tile.id,), limit=10))
        found.append([(match.tile.id, round(match.score, 5), match.probability) for match in result.hits])
    return found


def test_everything_is_destroyed_and_made_anew_and_search_agrees(lost: Lost, tmp_path: Path) -> None:
    new = open_empty(tmp_path)
    new.restore.read(lost.backup)
    for opened in ("at once", "after a restart"):
        assert new.collections.ids() == ["empty", "shapes"], opened
        assert tiles_of(new, "shapes") == lost.tiles
        assert answers(new, lost.tiles) == lost.found
        assert new.items.image(new.items.get("shapes", lost.tiles[0].id)) == lost.image
        assert [card.id for card in new.models.cards()] == lost.models
        assert [(job.id, list(new.job_store.items(job.id))) for job in new.jobs.list()] == lost.jobs
        assert new.collections.info("empty").collection.title == "nothing yet"
        if opened == "at once":
            new.close()
            new = open_empty(tmp_path)
            new.start()
    assert not list((tmp_path / "new" / "staging").glob("*/*"))
    with pytest.raises(Conflict, match="'empty' is in the store already"):
        new.restore.read(lost.backup)
    for name in new.collections.ids():
        new.collections.delete(name)
    with pytest.raises(Conflict, match="'mine' was added already"):
        new.restore.read(lost.backup)
    new.close()


def test_a_backup_goes_from_a_folder_into_an_object_store_and_a_vector_server(
    lost: Lost, written: Path, tmp_path: Path, s3: S3Server, qdrant_url: str
) -> None:
    new = open_empty(tmp_path, blobs_url=f"s3://{s3.bucket()}/dyad", vectors_url=qdrant_url)
    new.restore.read(written)
    assert [[item[0] for item in row] for row in answers(new, lost.tiles)] == [[item[0] for item in row] for row in lost.found]
    new.backup.write(tmp_path / "again.zip")
    with zipfile.ZipFile(written) as old, zipfile.ZipFile(tmp_path / "again.zip") as again:
        assert sorted(old.namelist()) == sorted(again.namelist())
        images = [name for name in old.namelist() if name.startswith("blobs/collections/")]
        assert images
        assert all(old.read(name) == again.read(name) for name in images)
    for collection in new.collections.ids():
        new.collections.delete(collection)
    new.close()


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-3000])


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def empty(file: Path) -> None:
    file.write_bytes(b"")


def rewritten(change: Callable[[dict[str, bytes]], object]) -> Callable[[Path], None]:
    """A valid zip of changed entries."""

    def write(file: Path) -> None:
        with zipfile.ZipFile(file) as whole:
            entries = {name: whole.read(name) for name in whole.namelist()}
        change(entries)
        with zipfile.ZipFile(file, "w") as other:
            for name, data in entries.items():
                other.writestr(name, data)

    return write


def first(entries: dict[str, bytes], folder: str) -> str:
    return next(name for name in entries if name.startswith(folder))


def swap(entries: dict[str, bytes], folder: str, data: bytes) -> None:
    entries[first(entries, folder)] = data


def rename(entries: dict[str, bytes], folder: str, name: str) -> None:
    entries[name] = entries.pop(first(entries, folder))


BROKEN: dict[str, Callable[[Path], None]] = {
    "cut off": cut,
    "a bit flipped": flip,
    "empty": empty,
    "no contents": rewritten(lambda entries: entries.pop(CONTENTS)),
    "newer": rewritten(lambda entries: swap(entries, CONTENTS, entries[CONTENTS].replace(b'"format":1', b'"format":2'))),
    "an entry lost": rewritten(lambda entries: entries.pop(first(entries, "blobs/"))),
    "a model lost": rewritten(lambda entries: rename(entries, "models/", "models/other.zip")),
    "an index lost": rewritten(lambda entries: rename(entries, "vectors/shapes", "vectors/other.hog.1")),
    "a name that leads out": rewritten(lambda entries: rename(entries, "blobs/", "blobs/collections/../../x")),
    "a name of nothing": rewritten(lambda entries: rename(entries, "blobs/", "blobs/uploads/x")),
    "a snapshot that is none": rewritten(lambda entries: swap(entries, "vectors/shapes", b"none")),
    "a bundle that is none": rewritten(lambda entries: swap(entries, "models/", b"none")),
    "jobs that are none": rewritten(lambda entries: swap(entries, "jobs.jsonl", b"{}\n")),
}


def test_a_restore_of_a_broken_backup_changes_nothing(written: Path, tmp_path: Path) -> None:
    new = open_empty(tmp_path)
    for name, damage in BROKEN.items():
        copy = Path(shutil.copy(written, tmp_path / "copy.zip"))
        damage(copy)
        with pytest.raises(DyadError):
            raise AssertionError(f"{name}: {new.restore.read(copy)}")
        assert new.collections.ids() == [], name
        assert new.vectors.indexes() == [], name
        assert new.vectors.aliases() == {}, name
        assert [key for prefix in DURABLE for key in new.blobs.keys(prefix)] == [], name
        assert [entry.card.id for entry in new.models_provider.entries() if entry.origin == "added"] == [], name
        assert new.models.default().id == DEFAULT_MODEL, name
        assert list(new.jobs.list()) == [], name
    new.restore.read(written)
    assert new.collections.ids() == ["empty", "shapes"]
    new.close()


def test_a_file_that_is_not_a_complete_backup_is_named(written: Path, tmp_path: Path) -> None:
    """A backup that ends within an added model is a valid zip for the library: it finds the table of the bundle's zip."""
    cut_off = tmp_path / "cut.zip"
    with zipfile.ZipFile(written) as whole:
        model = next(entry for entry in whole.infolist() if entry.filename.startswith("models/"))
        start, data = model.header_offset, whole.read(model)
    end = written.read_bytes().index(data, start) + len(data)
    cut_off.write_bytes(written.read_bytes()[:end])
    with pytest.raises(InvalidInput, match=r"is not a complete backup.*backup\.json.*another backup"), open_backup(cut_off):
        pass
    other = tmp_path / "other.zip"
    shutil.copy(written, other)
    rewritten(lambda entries: swap(entries, CONTENTS, b"{}"))(other)
    with pytest.raises(InvalidInput, match=r"can read \(backup\.json: version: Field required\)"), open_backup(other):
        pass


@pytest.mark.parametrize("error", [Unavailable, OutOfSpace])
def test_a_restore_that_fails_midway_changes_nothing(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[DyadError]
) -> None:
    new = open_empty(tmp_path)

    def fail(alias: str, index: str) -> None:
        raise error("away")

    with monkeypatch.context() as broken:
        broken.setattr(new.vectors, "set_alias", fail)
        with pytest.raises(error):
            new.restore.read(written)
    assert (new.collections.ids(), new.vectors.indexes(), list(new.jobs.list())) == ([], [], [])
    new.restore.read(written)
    new.close()


def test_a_backup_replaces_no_file_and_leaves_none_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    container = open_empty(tmp_path)
    container.collections.create("c")
    (tmp_path / "there").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        container.backup.write(tmp_path / "there")
    assert (tmp_path / "there").read_bytes() == b"mine"

    def fail(key: str) -> bytes:
        raise Unavailable("away")

    monkeypatch.setattr(container.blobs, "get", fail)
    (tmp_path / "backups").mkdir()
    with pytest.raises(Unavailable):
        container.backup.write(tmp_path / "backups" / "backup.zip")
    assert list((tmp_path / "backups").iterdir()) == []
    container.close()


def test_every_kind_of_blob_is_known_to_the_backup(lost: Lost) -> None:
    assert lost.kinds <= {*DURABLE, "installation.json/"}  # the identity of an installation is not restored into another one
    assert {"catalogue/", "collections/", "indexes/"} <= lost.kinds
