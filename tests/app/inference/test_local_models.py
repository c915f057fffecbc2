from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from app.domain.models import DEFAULT_MODEL
from app.errors import InvalidBundle, NotFound
from app.inference.local_models import LocalModels
from tests.support.bundles import tiny_graph, write_bundle


def ids(models: LocalModels) -> list[str]:
    return [card.id for card in models.cards()]


def test_without_bundles_there_are_the_hand_crafted_ones(tmp_path: Path) -> None:
    models = LocalModels(tmp_path / "absent", threads=1, bundled=tmp_path / "none")
    assert ids(models) == ["lbp-rgb", "hog"]
    for card in models.cards():
        made = models.load(card.id).embed(np.zeros((2, 256, 256, 3), np.uint8))
        assert made.embedding.shape == (2, card.dimension)
    models.close()


def test_a_trained_model_ships_is_the_default_and_says_on_what_terms(tmp_path: Path) -> None:
    models = LocalModels(tmp_path / "absent", threads=1)
    card = models.cards()[0]
    assert (card.id, card.bands) == (DEFAULT_MODEL, ("red", "green", "blue"))
    assert card.licence
    assert card.training_data
    made = models.load(card.id).embed(np.zeros((2, card.input_size, card.input_size, 3), np.uint8))
    np.testing.assert_allclose(np.linalg.norm(made.embedding, axis=1), 1, atol=1e-3)
    assert made.pair is not None
    assert made.pair.dtype == np.uint8
    models.close()


def test_bundles_are_found_while_it_runs_and_shipped_ones_come_first(tmp_path: Path) -> None:
    models = LocalModels(tmp_path / "models", threads=1, bundled=tmp_path / "bundled")
    write_bundle(tmp_path / "models" / "mine", tiny_graph())
    assert ids(models) == ["lbp-rgb", "hog", "mine"]
    write_bundle(tmp_path / "bundled" / "trained", tiny_graph())
    assert ids(models) == ["trained", "lbp-rgb", "hog", "mine"]
    assert models.load("mine").card.id == "mine"
    models.close()


def test_the_constant_names_the_default_among_bundled_models(tmp_path: Path) -> None:
    for name in ("a-first", DEFAULT_MODEL, "z-last"):
        write_bundle(tmp_path / "bundled" / name, tiny_graph())
    models = LocalModels(tmp_path / "models", threads=1, bundled=tmp_path / "bundled")
    assert ids(models) == [DEFAULT_MODEL, "a-first", "z-last", "lbp-rgb", "hog"]
    models.set_default("z-last")
    assert ids(models)[:2] == ["z-last", DEFAULT_MODEL]


def test_a_model_is_loaded_once_by_however_many_threads(tmp_path: Path) -> None:
    write_bundle(tmp_path / "mine", tiny_graph())
    models = LocalModels(tmp_path, threads=1)
    with ThreadPoolExecutor(8) as pool:
        loaded = list(pool.map(models.load, ["mine", "hog"] * 16))
    assert len({id(model) for model in loaded}) == 2
    models.close()


def test_a_broken_bundle_is_logged_once_not_listed_and_says_why(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write_bundle(tmp_path / "broken", tiny_graph(dimension=9))
    models = LocalModels(tmp_path, threads=1, bundled=tmp_path / "none")
    with caplog.at_level(logging.WARNING):
        assert ids(models) == ["lbp-rgb", "hog"]
        assert ids(models) == ["lbp-rgb", "hog"]
        with pytest.raises(InvalidBundle, match="output 'embedding' has shape"):
            models.load("broken")
    assert len(caplog.records) == 1
    (folder / "encoder.onnx").unlink()
    (folder / "card.json").unlink()
    folder.rmdir()
    write_bundle(folder, tiny_graph())
    assert ids(models) == ["lbp-rgb", "hog", "broken"]


@pytest.mark.parametrize("model_id", ["nothing", "../broken", "", "."])
def test_unknown_models_are_not_found_and_known_ones_named(tmp_path: Path, model_id: str) -> None:
    with pytest.raises(NotFound, match="the models are lbp-rgb, hog"):
        LocalModels(tmp_path, threads=1, bundled=tmp_path / "none").load(model_id)


def test_ids_belong_to_one_model(tmp_path: Path) -> None:
    write_bundle(tmp_path / "models" / "hog", tiny_graph())
    write_bundle(tmp_path / "models" / "other", tiny_graph(), id="mine")
    write_bundle(tmp_path / "models" / "trained", tiny_graph())
    write_bundle(tmp_path / "bundled" / "trained", tiny_graph())
    models = LocalModels(tmp_path / "models", threads=1, bundled=tmp_path / "bundled")
    assert ids(models) == ["trained", "lbp-rgb", "hog"]
    with pytest.raises(InvalidBundle, match="its card has the id 'mine'"):
        models.load("other")
    assert models.load("hog").card.kind == "hand-crafted"


def test_a_bundle_is_copied_for_a_program_of_its_own(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "models" / "tiny", tiny_graph())
    models = LocalModels(tmp_path / "models", threads=1, bundled=tmp_path / "none")
    copy = models.copy("tiny", tmp_path / "work")
    assert copy == tmp_path / "work" / "tiny"
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == {p.name: p.read_bytes() for p in folder.iterdir()}
    for unknown in ("hog", "nothing"):
        with pytest.raises(NotFound, match=unknown):
            models.copy(unknown, tmp_path / "other")
    models.close()
