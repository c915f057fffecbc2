from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from app.cluster.inference.micro_batches import Answer
from app.cluster.inference.remote_inference import MAX_TILES, RemoteQueries
from app.domain.tiles import Embeddings
from app.errors import InvalidBundle, ModelMismatch, Unavailable
from app.inference.onnx import OnnxInference
from app.ports import Inference
from models.bundle.card import ModelCard
from tests.support.bundles import SIZE, write_matching_bundle

COUNT = 2
TILES = np.random.default_rng(0).integers(0, 256, (COUNT, SIZE, SIZE, 3), dtype=np.uint8)


class Worker:
    """Answers as the bundle does, but with embeddings that tell that it was this one."""

    def __init__(self, folder: Path) -> None:
        self._model = OnnxInference(folder, threads=1)
        self.asked = 0
        self.error: Exception | None = None
        self.width: int | None = None

    def __call__(self, card: ModelCard, tiles: NDArray[np.uint8], seconds: float) -> Answer:
        self.asked += 1
        if self.error is not None:
            raise self.error
        made, query_features = self._model.examine(tiles)
        return Embeddings(-made.embedding[:, : self.width], made.feature, made.pair), query_features


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return Worker(write_matching_bundle(tmp_path / "matching"))


@pytest.fixture
def local(worker: Worker) -> Inference:
    return worker._model


def remote(worker: Worker, tmp_path: Path, rest: float = 1000) -> Inference:
    return RemoteQueries(worker, deadline=20, rest=rest).open(tmp_path / "matching", 1)


def test_a_query_is_answered_by_a_worker(worker: Worker, local: Inference, tmp_path: Path) -> None:
    model = remote(worker, tmp_path)
    made, query_features = model.examine(TILES)
    wanted, wanted_features = local.examine(TILES)
    np.testing.assert_array_equal(made.embedding, -wanted.embedding)
    assert query_features is not None
    assert wanted_features is not None
    np.testing.assert_array_equal(query_features, wanted_features)
    np.testing.assert_array_equal(model.embed(TILES).embedding, -wanted.embedding)
    assert worker.asked == 2


def test_many_tiles_are_no_query(worker: Worker, local: Inference, tmp_path: Path) -> None:
    many = np.concatenate([TILES] * (MAX_TILES // COUNT + 1))
    found = remote(worker, tmp_path).embed(many).embedding
    np.testing.assert_array_equal(found, local.embed(many).embedding)
    assert worker.asked == 0


def test_without_an_answer_it_answers_itself_and_asks_nobody_for_a_while(
    worker: Worker, local: Inference, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    worker.error = Unavailable("no worker answered within 0.25 s")
    model = remote(worker, tmp_path)
    for _ in range(3):
        np.testing.assert_array_equal(model.embed(TILES).embedding, local.embed(TILES).embedding)
    assert worker.asked == 1
    assert caplog.text.count("no worker answered") == 1


def test_after_the_rest_it_asks_again(worker: Worker, local: Inference, tmp_path: Path) -> None:
    worker.error = Unavailable("nobody")
    model = remote(worker, tmp_path, rest=0)
    model.embed(TILES)
    worker.error = None
    np.testing.assert_array_equal(model.embed(TILES).embedding, -local.embed(TILES).embedding)


def test_an_answer_that_is_not_the_cards_is_none(
    worker: Worker, local: Inference, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    worker.width = 3
    found = remote(worker, tmp_path).embed(TILES).embedding
    np.testing.assert_array_equal(found, local.embed(TILES).embedding)
    assert "do not match the card" in caplog.text


def test_tiles_that_do_not_fit_are_refused_here(worker: Worker, tmp_path: Path) -> None:
    with pytest.raises(ModelMismatch):
        remote(worker, tmp_path).embed(TILES[:, 1:])
    assert worker.asked == 0


def test_a_bundle_that_does_not_fit_is_refused_here(worker: Worker, tmp_path: Path) -> None:
    with pytest.raises(InvalidBundle):
        RemoteQueries(worker).open(tmp_path / "none", 1)
