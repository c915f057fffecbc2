"""Models that several processes share. Here each is a `SharedModels` of its own over the same blobs."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from app.cluster.models.registry import ADDED, BUNDLES
from app.cluster.models.shared_models import SharedModels
from app.errors import Conflict, DyadError, InvalidBundle, NotFound, Unavailable
from app.ports import Inference
from app.stores.blobs.object_blobs import ObjectBlobs
from app.stores.local_locks import LocalLocks
from tests.support.bundles import SIZE, tiny_graph, write_bundle
from tests.support.s3 import S3Server

Open = Callable[[str], SharedModels]


@pytest.fixture(autouse=True)
def always_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SharedModels._look, "__defaults__", (0.0,))


@pytest.fixture
def blobs(tmp_path: Path) -> ObjectBlobs:
    return ObjectBlobs(tmp_path / "blobs")


@pytest.fixture
def process(tmp_path: Path, blobs: ObjectBlobs) -> Iterator[Open]:
    """Opens the models as a process on the machine of that name does."""
    locks = LocalLocks()
    opened: list[SharedModels] = []

    def open_models(machine: str) -> SharedModels:
        opened.append(SharedModels(blobs, locks, tmp_path / machine, threads=1, bundled=tmp_path / "none"))
        return opened[-1]

    yield open_models
    for models in opened:
        models.close()


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "given" / "mine", tiny_graph())


def ids(models: SharedModels) -> list[str]:
    return [card.id for card in models.cards()]


def works(model: Inference) -> bool:
    return len(model.embed(np.zeros((1, SIZE, SIZE, 3), np.uint8)).embedding) == 1


def copies(machine: Path) -> list[str]:
    return sorted(path.name for path in (machine / "bundles").glob("*/*/*"))


def test_what_one_process_does_shows_in_the_others(process: Open, bundle: Path, tmp_path: Path) -> None:
    one, other = process("a"), process("b")
    one.add(bundle)
    assert ids(other) == ["lbp-rgb", "hog", "mine"]
    assert [entry.size for entry in other.entries()] == [entry.size for entry in one.entries()]
    assert copies(tmp_path / "b") == []  # nothing is fetched before it is needed
    assert works(other.load("mine"))
    assert copies(tmp_path / "a") == copies(tmp_path / "b") == ["card.json", "encoder.onnx"]
    assert b"".join(one.zipped("mine")) == b"".join(other.zipped("mine"))
    other.set_default("mine")
    assert ids(one)[0] == "mine"
    one.remove("mine")
    assert ids(other) == ["lbp-rgb", "hog"]
    assert copies(tmp_path / "a") == copies(tmp_path / "b") == []
    with pytest.raises(NotFound, match="no model 'mine'"):
        other.load("mine")


def test_another_model_of_a_deleted_ones_id_is_not_mistaken_for_it(process: Open, bundle: Path, tmp_path: Path) -> None:
    one, other = process("a"), process("a")  # of one machine
    one.add(bundle)
    assert other.load("mine").card.dimension == 8
    one.remove("mine")
    one.add(write_bundle(tmp_path / "new" / "mine", tiny_graph(dimension=4), dimension=4))
    assert other.load("mine").card.dimension == one.load("mine").card.dimension == 4


def test_a_model_that_is_new_is_found_however_fresh_the_list_is(
    process: Open, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SharedModels._look, "__defaults__", (3600.0,))
    one, other = process("a"), process("b")
    assert ids(other) == ids(one) == ["lbp-rgb", "hog"]
    one.add(bundle)
    assert ids(one) == ["lbp-rgb", "hog", "mine"]
    assert works(other.load("mine"))


def test_of_many_processes_that_add_one_id_one_wins(process: Open, tmp_path: Path) -> None:
    bundles = [write_bundle(tmp_path / str(seed) / "mine", tiny_graph(seed=seed)) for seed in range(4)]
    processes = [process(str(number)) for number in range(4)]
    gate = threading.Barrier(4)

    def add(number: int) -> str:
        gate.wait()
        try:
            return str(processes[number].add(bundles[number])[1])
        except DyadError as error:
            return type(error).__name__

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(add, range(4))) == ["Conflict", "Conflict", "Conflict", "True"]
    assert all(works(models.load("mine")) for models in processes)


def test_a_damaged_copy_is_fetched_again(process: Open, bundle: Path, tmp_path: Path) -> None:
    process("a").add(bundle)
    (copy,) = (tmp_path / "a").rglob("encoder.onnx")
    good = copy.read_bytes()
    copy.write_bytes(good[:-1] + b"?")
    assert works(process("a").load("mine"))
    assert copy.read_bytes() == good
    copy.write_bytes(b"")
    assert (process("a").copy("mine", tmp_path / "target") / "encoder.onnx").read_bytes() == good


@pytest.mark.parametrize("name", ["card.json", "encoder.onnx"])
def test_what_was_stored_is_not_believed_unread(
    process: Open, bundle: Path, blobs: ObjectBlobs, tmp_path: Path, name: str
) -> None:
    process("a").add(bundle)
    (key,) = (key for key in blobs.keys(BUNDLES) if key.endswith(name))
    blobs.put(key, blobs.get(key).replace(b"e", b"E"))
    other = process("b")
    for call in (other.load, other.zipped, lambda model: other.copy(model, tmp_path / "target")):
        with pytest.raises(InvalidBundle, match="mine"):
            call("mine")
    assert copies(tmp_path / "b") == []
    other.remove("mine")
    assert ids(other) == ["lbp-rgb", "hog"]


def test_what_a_killed_import_left_is_never_a_model_and_goes_with_the_next(
    process: Open, bundle: Path, blobs: ObjectBlobs, tmp_path: Path
) -> None:
    digest = hashlib.sha256((bundle / "card.json").read_bytes()).hexdigest()
    blobs.put(f"{BUNDLES}mine/{digest}/encoder.onnx", b"a part")
    blobs.put(f"{BUNDLES}dead/{digest}/encoder.onnx", b"a part")
    blobs.put(f"{ADDED}odd/{digest}.json", b"{")
    models = process("a")
    assert ids(models) == ["lbp-rgb", "hog"]
    models.add(bundle)
    models.add(write_bundle(tmp_path / "given" / "more", tiny_graph()))
    assert {key.split("/")[2] for key in blobs.keys(BUNDLES)} == {"mine", "more"}
    assert works(process("b").load("mine"))


def test_while_the_blobs_are_away_nothing_is_lost_and_what_is_loaded_works(process: Open, bundle: Path, tmp_path: Path) -> None:
    models = process("a")
    models.add(bundle)
    models.load("mine")
    given = write_bundle(tmp_path / "given" / "more", tiny_graph())
    shutil.move(tmp_path / "blobs", tmp_path / "away")
    assert works(models.load("mine"))
    for call in (models.entries, lambda: models.add(given), lambda: models.remove("mine"), lambda: process("b").load("mine")):
        with pytest.raises(Unavailable):
            call()
    assert sorted(path.name for path in given.iterdir()) == ["card.json", "encoder.onnx"]
    shutil.move(tmp_path / "away", tmp_path / "blobs")
    assert ids(models) == ["lbp-rgb", "hog", "mine"]
    models.add(given)


def test_over_s3(s3: S3Server, bundle: Path, tmp_path: Path) -> None:
    url, locks = f"s3://{s3.bucket()}/prefix", LocalLocks()
    one, other = (SharedModels(ObjectBlobs(url), locks, tmp_path / name, threads=1, bundled=tmp_path / "none") for name in "ab")
    one.add(bundle)
    assert works(other.load("mine"))
    other.set_default("mine")
    assert ids(one)[0] == "mine"
    with pytest.raises(Conflict, match="another model"):
        one.add(write_bundle(tmp_path / "new" / "mine", tiny_graph(seed=1)))
    other.remove("mine")
    assert "mine" not in ids(one)
    for models in (one, other):
        models.close()
