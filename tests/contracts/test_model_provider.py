"""One suite over every `ModelProvider`."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from app.cluster.models.shared_models import SharedModels
from app.errors import Conflict, DyadError, Forbidden, InvalidBundle, NotFound, TooLarge
from app.inference.local_models import LocalModels
from app.stores.blobs.object_blobs import ObjectBlobs
from app.stores.local_locks import LocalLocks
from tests.support.bundle_zips import HOSTILE, packed
from tests.support.bundles import SIZE, tiny_graph, write_bundle

LIMIT = 256 << 20
Provider = LocalModels | SharedModels
Open = Callable[[], Provider]

PROVIDERS: dict[str, Callable[[Path], Provider]] = {
    "folders": lambda path: LocalModels(path / "models", threads=1, bundled=path / "bundled"),
    "shared": lambda path: SharedModels(
        ObjectBlobs(path / "models"), LocalLocks(), path / "cache", threads=1, bundled=path / "bundled"
    ),
}


@pytest.fixture(params=PROVIDERS)
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same models as another process would after this one; one model, `ships`, comes with them."""
    write_bundle(tmp_path / "bundled" / "ships", tiny_graph())
    opened: list[Provider] = []

    def open_provider() -> Provider:
        opened.append(PROVIDERS[request.param](tmp_path))
        return opened[-1]

    yield open_provider
    for provider in opened:
        provider.close()


@pytest.fixture
def models(reopen: Open) -> Provider:
    return reopen()


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "given" / "mine", tiny_graph())


def ids(models: Provider) -> list[str]:
    return [entry.card.id for entry in models.entries()]


def leftovers(tmp_path: Path) -> list[str]:
    """All files that are kept of added models."""
    kept = (path for folder in ("models", "cache") for path in (tmp_path / folder).rglob("*"))
    return sorted(path.name for path in kept if path.is_file())


def test_entries_say_where_a_model_comes_from(models: Provider, bundle: Path) -> None:
    models.add(bundle)
    assert [(entry.card.id, entry.origin) for entry in models.entries()] == [
        ("ships", "shipped"),
        ("lbp-rgb", "built-in"),
        ("hog", "built-in"),
        ("mine", "added"),
    ]
    sizes = {entry.card.id: entry.size for entry in models.entries()}
    assert sizes["hog"] == 0
    assert sizes["mine"] > 300
    assert [card.id for card in models.cards()] == ids(models)


def test_an_added_bundle_is_moved_in_and_can_be_loaded_at_once(models: Provider, bundle: Path, reopen: Open) -> None:
    card, is_new = models.add(bundle)
    assert (card.id, is_new, bundle.exists()) == ("mine", True, False)
    tiles = np.zeros((2, SIZE, SIZE, 3), np.uint8)
    assert models.load("mine").embed(tiles).embedding.shape == (2, 8)
    assert ids(reopen()) == ["ships", "lbp-rgb", "hog", "mine"]


def test_the_same_bundle_again_is_no_news(models: Provider, bundle: Path, tmp_path: Path) -> None:
    archive = packed(bundle, tmp_path / "mine.zip")
    assert models.add_zip(archive, LIMIT)[1]
    assert not models.add_zip(archive, LIMIT)[1]
    assert models.add(bundle)[1] is False
    assert bundle.exists()
    shipped = packed(tmp_path / "bundled" / "ships", tmp_path / "ships.zip")
    assert models.add_zip(shipped, LIMIT)[1] is False
    assert ids(models) == ["ships", "lbp-rgb", "hog", "mine"]


@pytest.mark.parametrize("name", ["mine", "ships", "hog"])
def test_another_bundle_of_an_id_is_refused(models: Provider, bundle: Path, tmp_path: Path, name: str) -> None:
    models.add(bundle)
    before = leftovers(tmp_path)
    other = write_bundle(tmp_path / "other" / name, tiny_graph(seed=1))
    with pytest.raises(Conflict, match=f"another model '{name}'"):
        models.add(other)
    with pytest.raises(Conflict, match=f"another model '{name}'"):
        models.add_zip(packed(other, tmp_path / "other.zip"), LIMIT)
    assert other.exists()
    assert leftovers(tmp_path) == before


@pytest.mark.parametrize(("make", "reason"), [HOSTILE[name] for name in HOSTILE], ids=list(HOSTILE))
def test_of_a_hostile_zip_nothing_is_left(
    models: Provider, bundle: Path, tmp_path: Path, make: Callable[[Path, Path], Path], reason: str
) -> None:
    archive = make(bundle, tmp_path / "hostile.zip")
    with pytest.raises((InvalidBundle, TooLarge), match=reason):
        models.add_zip(archive, LIMIT)
    assert leftovers(tmp_path) == []
    assert ids(models) == ["ships", "lbp-rgb", "hog"]
    assert archive.exists()


@pytest.mark.parametrize("name", ["..", ".hidden", "_hidden", "a/b", "", "x" * 65])
def test_ids_that_are_no_folder_names_are_refused(models: Provider, bundle: Path, tmp_path: Path, name: str) -> None:
    card = json.loads((bundle / "card.json").read_text()) | {"id": name}
    (bundle / "card.json").write_text(json.dumps(card))
    with pytest.raises(InvalidBundle, match=r"card.json: id:"):
        models.add_zip(packed(bundle, tmp_path / "bad.zip"), LIMIT)
    assert leftovers(tmp_path) == []


def test_a_graph_that_reads_other_files_is_refused(models: Provider, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(96))
    graph = tiny_graph()
    matrix = next(tensor for tensor in graph.graph.initializer if tensor.name == "embedding_matrix")
    matrix.ClearField("raw_data")
    matrix.data_location = 1  # external
    matrix.external_data.add(key="location", value=str(tmp_path / "secret"))
    bundle = write_bundle(tmp_path / "given" / "mine", graph)
    with pytest.raises(InvalidBundle, match=r"cannot open encoder.onnx"):
        models.add_zip(packed(bundle, tmp_path / "spy.zip"), LIMIT)
    assert leftovers(tmp_path) == []


def test_a_zip_comes_back_as_it_is(models: Provider, bundle: Path, tmp_path: Path) -> None:
    wanted = {path.name: path.read_bytes() for path in bundle.iterdir()}
    models.add(bundle)
    first, second = (b"".join(models.zipped("mine")) for _ in range(2))
    assert first == second
    (tmp_path / "mine.zip").write_bytes(first)
    with zipfile.ZipFile(tmp_path / "mine.zip") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == wanted
    models.remove("mine")
    assert models.add_zip(tmp_path / "mine.zip", LIMIT)[1]
    assert b"".join(models.zipped("ships"))
    for name, reason in (("hog", "built in and has no bundle"), ("nobody", "no model 'nobody'")):
        with pytest.raises(NotFound, match=reason):
            models.zipped(name)


def test_the_default_is_first_and_survives_a_restart(models: Provider, bundle: Path, reopen: Open) -> None:
    models.add(bundle)
    for name in ("mine", "hog", "ships", "mine"):
        models.set_default(name)
        assert ids(models)[0] == name
        assert ids(reopen())[0] == name
    with pytest.raises(NotFound, match="no model 'nobody'"):
        models.set_default("nobody")
    models.remove("mine")
    assert ids(models)[0] == ids(reopen())[0] == "ships"


def test_a_removed_model_is_gone_and_whoever_works_with_it_may_finish(
    models: Provider, bundle: Path, tmp_path: Path, reopen: Open
) -> None:
    models.add(bundle)
    model = models.load("mine")
    models.remove("mine")
    assert ids(models) == ids(reopen()) == ["ships", "lbp-rgb", "hog"]
    assert leftovers(tmp_path) == []
    assert model.embed(np.zeros((1, SIZE, SIZE, 3), np.uint8)).embedding.shape == (1, 8)
    for call in (models.load, models.remove, models.set_default):
        with pytest.raises(NotFound, match="no model 'mine'"):
            call("mine")
    other = write_bundle(tmp_path / "other" / "mine", tiny_graph(dimension=4), dimension=4)
    models.add(other)
    assert models.load("mine").card.dimension == 4


@pytest.mark.parametrize("name", ["ships", "hog"])
def test_what_comes_with_dyad_stays(models: Provider, name: str) -> None:
    with pytest.raises(Forbidden, match="cannot be deleted"):
        models.remove(name)
    assert name in ids(models)


def test_of_many_who_add_one_id_at_once_one_wins(models: Provider, tmp_path: Path) -> None:
    archives = [
        packed(write_bundle(tmp_path / str(seed) / "mine", tiny_graph(seed=seed)), tmp_path / f"{seed}.zip")
        for seed in range(6)
    ]

    def add(archive: Path) -> bool | type[DyadError]:
        try:
            return models.add_zip(archive, LIMIT)[1]
        except DyadError as error:
            return type(error)

    with ThreadPoolExecutor(6) as pool:
        assert sorted(map(str, pool.map(add, archives))) == sorted([str(Conflict)] * 5 + ["True"])
    assert ids(models) == ["ships", "lbp-rgb", "hog", "mine"]
    assert models.load("mine").embed(np.zeros((1, SIZE, SIZE, 3), np.uint8)).embedding.shape == (1, 8)
    assert leftovers(tmp_path).count("encoder.onnx") == (1 if isinstance(models, LocalModels) else 2)  # and a copy here


def test_loading_and_removing_at_once_harms_nobody(models: Provider, bundle: Path, tmp_path: Path) -> None:
    archive = packed(bundle, tmp_path / "mine.zip")
    tiles = np.zeros((1, SIZE, SIZE, 3), np.uint8)

    def use(_: int) -> None:
        with suppress(NotFound):
            assert models.load("mine").embed(tiles).embedding.shape == (1, 8)

    with ThreadPoolExecutor(4) as pool:
        for _ in range(10):
            models.add_zip(archive, LIMIT)
            done = pool.map(use, range(8))
            models.remove("mine")
            list(done)
    assert ids(models) == ["ships", "lbp-rgb", "hog"]
