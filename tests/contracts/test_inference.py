"""One suite over every `Inference`: hand-crafted, a bundle without a matcher, one with, and the one that ships, which runs on
PyTorch too, on every device that is here."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from app.cluster.inference.micro_batches import Answer
from app.cluster.inference.remote_inference import RemoteQueries
from app.errors import ModelMismatch, Unavailable
from app.inference.handcrafted import hog, lbp
from app.inference.local_models import BUNDLED
from app.inference.onnx import OnnxInference
from app.ports import Inference
from models.bundle.card import ModelCard
from tests.conftest import HAS_TORCH
from tests.support.bundles import tiny_graph, write_bundle, write_matching_bundle

ON_TORCH = "shipped, torch on "
DEVICES: list[str] = importlib.import_module("tests.support.on_torch").devices() if HAS_TORCH else []
SHIPPED = BUNDLED / "dyad-rgb-128"
KINDS: dict[str, Callable[[Path], Inference]] = {
    "hog": lambda _: hog.hog(1),
    "lbp-rgb": lambda _: lbp.lbp_rgb(1),
    "plain bundle": lambda folder: OnnxInference(write_bundle(folder / "plain", tiny_graph()), threads=1),
    "matching bundle": lambda folder: OnnxInference(write_matching_bundle(folder / "matching"), threads=1),
    "shipped": lambda _: OnnxInference(SHIPPED, threads=1),
    "shipped, by a worker": lambda _: RemoteQueries(ask_neighbour, deadline=60).open(SHIPPED, 1),
    "shipped, by a worker that is not there": lambda _: RemoteQueries(ask_nobody).open(SHIPPED, 1),
}


def make(kind: str, folder: Path) -> Inference:
    if kind.startswith(ON_TORCH):
        model: Inference = importlib.import_module("tests.support.on_torch").open_bundle(SHIPPED, kind.removeprefix(ON_TORCH))
        return model
    return KINDS[kind](folder)


def ask_neighbour(card: ModelCard, tiles: NDArray[np.uint8], seconds: float) -> Answer:
    """As a worker would, without the way there."""
    return OnnxInference(SHIPPED, threads=1).examine(tiles)


def ask_nobody(card: ModelCard, tiles: NDArray[np.uint8], seconds: float) -> Answer:
    raise Unavailable("nobody is there")


@pytest.fixture(scope="module", params=[*KINDS, *(ON_TORCH + device for device in DEVICES)])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inference]:
    made = make(request.param, tmp_path_factory.mktemp("models"))
    yield made
    made.close()


def tiles(model: Inference, count: int) -> NDArray[np.uint8]:
    size, bands = model.card.input_size, len(model.card.bands)
    return np.random.default_rng(0).integers(0, 256, (count, size, size, bands), dtype=np.uint8)


def test_what_is_made_is_what_the_card_promises(model: Inference) -> None:
    made, card = model.embed(tiles(model, 3)), model.card
    assert made.embedding.shape == (3, card.dimension)
    assert made.embedding.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(made.embedding, axis=1), 1, atol=1e-5)
    for found, width, dtype in ((made.feature, card.feature_dimension, np.float16), (made.pair, card.pair_dimension, np.uint8)):
        assert (found is None) == (width == 0)
        if found is not None:
            assert found.shape == (3, width)
            assert found.dtype == dtype


def test_examine_is_embed_with_the_query_features(model: Inference) -> None:
    batch = tiles(model, 3)
    made, query_features = model.examine(batch)
    plain = model.embed(batch)
    np.testing.assert_array_equal(made.embedding, plain.embedding)
    np.testing.assert_array_equal(made.pair, plain.pair)
    assert (query_features is None) == (model.card.matcher is None)
    if query_features is not None:
        assert query_features.shape == (3, model.card.pair_dimension)
        assert query_features.dtype == np.float32
        alone = model.examine(batch[1:2])[1]
        assert alone is not None
        np.testing.assert_allclose(alone, query_features[1:2], rtol=1e-4, atol=1e-4)


def test_log_odds_are_finite_and_one_a_candidate(model: Inference) -> None:
    made, query_features = model.examine(tiles(model, 5))
    if query_features is None or made.pair is None:
        with pytest.raises(ModelMismatch, match="no matcher"):
            model.log_odds(np.zeros(8, np.float32), np.zeros((1, 8), np.uint8))
        return
    found = model.log_odds(query_features[0], made.pair)
    assert found.shape == (5,)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    np.testing.assert_allclose(model.log_odds(query_features[0], made.pair[2:3]), found[2:3], atol=1e-4)
    assert model.log_odds(query_features[0], made.pair[:0]).shape == (0,)
    with pytest.raises(ModelMismatch):
        model.log_odds(query_features[0][1:], made.pair)
    with pytest.raises(ModelMismatch):
        model.log_odds(query_features[0], made.pair[:, 1:])


def test_other_tiles_are_refused(model: Inference) -> None:
    batch = tiles(model, 2)
    for wrong in (batch[:, 1:], batch[0], batch[..., :1], batch[:0], batch.astype(np.float32)):
        for call in (model.embed, model.examine):
            with pytest.raises(ModelMismatch):
                call(wrong)  # type: ignore[arg-type]


def test_read_only_and_turned_tiles_do_as_well(model: Inference) -> None:
    batch = tiles(model, 3)
    batch.setflags(write=False)
    turned = model.embed(batch[::-1, ::-1])
    np.testing.assert_allclose(turned.embedding, model.embed(batch[::-1, ::-1].copy()).embedding, atol=1e-6)


def test_many_tiles_come_back_in_their_order(model: Inference) -> None:
    few, many = tiles(model, 3), 70
    made = model.embed(np.concatenate([few] * (many // 3 + 1))[:many])
    assert len(made) == many
    cosines = (made.embedding * model.embed(few).embedding[np.arange(many) % 3]).sum(axis=1)
    assert cosines.min() > 0.9999
