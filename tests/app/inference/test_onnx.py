from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from app.errors import InvalidBundle, ModelMismatch
from app.inference import onnx
from app.inference.bundles import check_bundle
from app.inference.onnx import MAX_BATCH, OnnxInference
from tests.support.bundles import BANDS, MEAN, SIZE, STD, digests, projection, tiny_graph, write_bundle


def random_tiles(count: int, seed: int = 1) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, len(BANDS)), dtype=np.uint8)


def expected(tiles: NDArray[np.uint8], width: int = 8) -> NDArray[np.float64]:
    """What `tiny_graph` makes, computed plainly and not normalised."""
    means = ((tiles / 255 - np.array(MEAN)) / np.array(STD)).mean(axis=(1, 2))
    wanted: NDArray[np.float64] = means @ projection(len(BANDS), width)
    return wanted


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("batch", ["N", 1, 4])
@pytest.mark.parametrize("count", [1, 5, MAX_BATCH + 1])
def test_embeds_any_number_of_tiles_whatever_the_batch_axis(tmp_path: Path, batch: int | str, count: int, threads: int) -> None:
    model = OnnxInference(write_bundle(tmp_path / "m", tiny_graph(batch=batch)), threads=threads)
    tiles = random_tiles(count)
    made = model.embed(tiles)
    wanted = expected(tiles)
    assert made.embedding.dtype == np.float32
    assert made.feature is None
    assert made.pair is None
    np.testing.assert_allclose(made.embedding, wanted / np.linalg.norm(wanted, axis=1, keepdims=True), atol=1e-4)


@pytest.mark.parametrize(
    ("threads", "bytes_of_runs", "uses"), [(1, 64 << 20, False), (4, 64 << 20, True), (4, 4 * 4 * 3 * SIZE**2, False)]
)
def test_runs_at_once_keep_to_the_limit_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int, bytes_of_runs: int, uses: bool
) -> None:
    monkeypatch.setattr(onnx, "MAX_INPUT_BYTES", bytes_of_runs - 1)
    model = OnnxInference(write_bundle(tmp_path / "limited", tiny_graph()), threads)
    model.embed(random_tiles(3))
    assert any(thread.name.startswith("model-limited") for thread in threading.enumerate()) is uses
    model.close()


def test_a_graph_that_normalises_is_not_changed(tmp_path: Path) -> None:
    model = OnnxInference(write_bundle(tmp_path / "m", tiny_graph(normalise=True)), threads=1)
    np.testing.assert_allclose(np.linalg.norm(model.embed(random_tiles(3)).embedding, axis=1), 1, atol=1e-6)


def test_a_zero_vector_stays_finite(tmp_path: Path) -> None:
    card = {"normalisation": None}
    model = OnnxInference(write_bundle(tmp_path / "m", tiny_graph(), **card), threads=1)
    made = model.embed(np.zeros((2, SIZE, SIZE, 3), np.uint8))
    np.testing.assert_array_equal(made.embedding, np.zeros((2, 8), np.float32))


def test_feature_and_pair_come_as_float16_and_uint8(tmp_path: Path) -> None:
    graph = tiny_graph(feature_dimension=5, pair_dimension=6)
    model = OnnxInference(write_bundle(tmp_path / "m", graph, feature_dimension=5, pair_dimension=6), threads=1)
    tiles = random_tiles(MAX_BATCH + 2)
    made = model.embed(tiles)
    assert made.feature is not None
    assert made.pair is not None
    assert made.feature.dtype == np.float16
    assert made.pair.dtype == np.uint8
    np.testing.assert_allclose(made.feature, expected(tiles, 5), atol=5e-3)
    np.testing.assert_array_equal(made.pair, np.abs(expected(tiles, 6)).astype(np.uint8))


def test_threads_that_embed_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    model = OnnxInference(write_bundle(tmp_path / "m", tiny_graph()), threads=2)
    batches = [random_tiles(1 + seed % 7, seed) for seed in range(64)]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(model.embed, batches))
    for batch, embeddings in zip(batches, made, strict=True):
        np.testing.assert_array_equal(embeddings.embedding, model.embed(batch).embedding)


@pytest.mark.parametrize(
    "tiles",
    [
        np.zeros((1, SIZE, SIZE, 4), np.uint8),
        np.zeros((1, SIZE + 1, SIZE, 3), np.uint8),
        np.zeros((SIZE, SIZE, 3), np.uint8),
        np.zeros((0, SIZE, SIZE, 3), np.uint8),
        np.zeros((1, SIZE, SIZE, 3), np.float32),
    ],
)
def test_other_tiles_are_refused(tmp_path: Path, tiles: NDArray[np.uint8]) -> None:
    model = OnnxInference(write_bundle(tmp_path / "m", tiny_graph()), threads=1)
    with pytest.raises(ModelMismatch, match=r"takes one or more uint8 tiles of 16 x 16 x 3"):
        model.embed(tiles)


@pytest.mark.parametrize(
    ("graph", "card", "reason"),
    [
        ({"input_name": "image"}, {}, r"inputs are \['image'\]; it must have one, 'tiles'"),
        ({"size": 32}, {}, r"input 'tiles' has shape \['N', 3, 32, 32\]"),
        ({"bands": 4}, {}, r"input 'tiles' has shape \['N', 4, 16, 16\]"),
        ({"embedding_name": "vector"}, {}, r"no output 'embedding'; its outputs are \['vector'\]"),
        ({"dimension": 9}, {}, r"output 'embedding' has shape \['N', 9\], but the card says \(N, 8\)"),
        ({}, {"feature_dimension": 4}, r"no output 'feature'"),
        ({"feature_dimension": 4}, {}, r"output 'feature', but the card's feature_dimension is 0"),
        ({"pair_dimension": 4}, {"pair_dimension": 5}, r"output 'pair' has shape"),
    ],
)
def test_a_graph_that_is_not_the_cards_is_refused(
    tmp_path: Path, graph: dict[str, int], card: dict[str, int], reason: str
) -> None:
    folder = write_bundle(tmp_path / "m", tiny_graph(**graph), **card)  # type: ignore[arg-type]
    with pytest.raises(InvalidBundle, match=reason):
        OnnxInference(folder, threads=1)
    with pytest.raises(InvalidBundle, match=reason):
        check_bundle(folder)


def test_bytes_that_are_no_graph_are_refused_in_one_line(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "m", tiny_graph())
    (folder / "encoder.onnx").write_bytes(b"not a graph")
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | {"files": digests(folder, ["encoder.onnx"])}))
    with pytest.raises(InvalidBundle, match=r"^model 'm': ONNX Runtime cannot open encoder.onnx: [^\n]+$"):
        check_bundle(folder)
