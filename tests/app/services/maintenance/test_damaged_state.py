"""Each state file damaged in turn: one collection is set aside at most, the other one is served, and repair rebuilds it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from app.container import Container
from app.errors import Damaged
from app.settings import load_settings
from tests.support.pictures import striped
from tests.support.service import running_service

TILES = 3
SEGMENT = "vectors/a.hog.1/shard/segments/*"
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut": lambda data: data[: len(data) // 2],
    "garbage": lambda data: b"\xff\x00" * (len(data) // 2),
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed home with the collections a and b of `TILES` tiles each."""
    folder = tmp_path_factory.mktemp("prepared")
    with running_service(folder / "home", threads=1) as service:
        for name in ("a", "b"):
            service.create(name, model="hog", tile_size=64)
            service.upload(name, {f"{seed}.png": striped(seed * 30, seed=seed, size=64) for seed in range(TILES)})
    return folder / "home"


@pytest.fixture
def home(prepared: Path, tmp_path: Path) -> Path:
    shutil.copytree(prepared, tmp_path / "home")
    return tmp_path / "home"


def opened(home: Path) -> Container:
    container = Container(load_settings({}, home=home, threads=1))
    try:
        container.start()
    except BaseException:
        container.close()
        raise
    return container


def sizes(container: Container) -> dict[str, int | None]:
    """Number of tiles by collection; None for one that is set aside."""
    found: dict[str, int | None] = {}
    for name in container.collections.ids():
        try:
            found[name] = container.collections.info(name).size
        except Damaged:
            found[name] = None
    return found


def file_of(home: Path, pattern: str) -> Path:
    return next(iter(sorted(home.glob(pattern))))


VECTORS = f"{SEGMENT}/vector_storage/vectors/chunk_0.mmap"
STATE_FILES = (
    "blobs/catalogue/a.json", "vectors/aliases.json", "vectors/a.hog.1/index.json", "vectors/a.hog.1/manifest.json",
    "blobs/indexes/a/*.json", "jobs.sqlite", f"{SEGMENT}/segment.json", VECTORS, f"{SEGMENT}/mutable_id_tracker.mappings",
)  # fmt: skip
CASES = [(file, damage) for file in STATE_FILES for damage in DAMAGE if (file, damage) != (VECTORS, "garbage")]
"""Garbage in vectors is other numbers: nothing can detect it."""


@pytest.mark.parametrize(("pattern", "damage"), CASES)
def test_one_damaged_file_sets_one_collection_aside_at_most(home: Path, pattern: str, damage: str) -> None:
    file = file_of(home, pattern)
    file.write_bytes(DAMAGE[damage](file.read_bytes()))
    with closing(opened(home)) as container:
        found = sizes(container)
        assert found["b"] == TILES
        assert found["a"] in (TILES, None)
        if found["a"] is None:
            assert "a" in {finding.collection for finding in container.state.all()}
        assert [info.collection.id for info in container.collections.infos()] == [name for name in "ab" if found[name]]
        container.repair.run()
        assert sizes(container) == {"a": TILES, "b": TILES}
    with closing(opened(home)) as container:
        assert sizes(container) == {"a": TILES, "b": TILES}
        assert {finding.part for finding in container.state.all()} <= {"jobs"}


@pytest.mark.parametrize("pattern", [SEGMENT, "vectors/a.hog.1/shard", "vectors/a.hog.1"])
def test_a_missing_folder_of_an_index_is_noticed(home: Path, pattern: str) -> None:
    shutil.rmtree(file_of(home, pattern))
    with closing(opened(home)) as container:
        assert sizes(container) == {"a": None, "b": TILES}
        with pytest.raises(Damaged, match="--repair"):
            container.collections.info("a")
        assert any("built from 3 stored images" in line for line in container.repair.run())
        assert sizes(container) == {"a": TILES, "b": TILES}


def test_lost_aliases_are_found_among_the_indexes(home: Path) -> None:
    for file in (home / "vectors").glob("aliases*.json"):
        file.unlink()
    with closing(opened(home)) as container:
        assert sizes(container) == {"a": None, "b": None}
        container.repair.run()
        assert sizes(container) == {"a": TILES, "b": TILES}
        assert container.state.all() == []


def test_lost_settings_are_written_again_from_the_index(home: Path) -> None:
    (home / "blobs" / "catalogue" / "a.json").unlink()
    with closing(opened(home)) as container:
        container.repair.run()
        assert container.collections.get("a").model == "hog"
        assert sizes(container) == {"a": TILES, "b": TILES}


def test_the_service_and_the_doctor_say_what_is_damaged(home: Path) -> None:
    (home / "blobs" / "catalogue" / "a.json").write_bytes(b"")
    with running_service(home, threads=1) as service:
        ready = service.client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        assert "catalogue/a.json" in ready.json()["degraded"][0]
        answer = service.client.get("/collections/a")
        assert answer.status_code == 503
        assert "catalogue/a.json" in answer.json()["detail"]
        assert [found["id"] for found in service.client.get("/collections").json()["collections"]] == ["b"]
        assert service.client.get("/collections/b/items").json()["numberMatched"] == TILES
        assert service.client.get("/models").status_code == 200


def test_a_nearly_full_disk_refuses_writes_and_allows_deletions(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.stores.vectors.edge.edge_index.shutil.disk_usage", lambda _: type("Usage", (), {"free": 64 << 20}))
    with running_service(home, threads=1) as service:
        ready = service.client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        assert "writes are refused" in ready.json()["degraded"][0]
        first, second, _ = service.client.get("/collections/a/items").json()["features"]
        assert service.client.delete(f"/collections/a/items/{first['id']}").status_code == 204
        refused = service.client.patch(f"/collections/a/items/{second['id']}", json={"labels": ["x"]})
        assert refused.status_code == 503
        assert service.client.delete("/collections/b").status_code == 204
