from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from models.bundle.card import Normalisation
from models.bundle.errors import AccuracyError, BundleError
from models.bundle.runtime import OnnxEncoder, normalised
from models.export.quantise import Int8, quantise_encoder, retrieval_score
from tests.models.export.tiny import BANDS, MEAN, SIZE, STD, random_tiles

NORMALISATION = Normalisation(mean=MEAN, std=STD)


def classes(each: int = 6, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Tiles of four colours under noise, strong enough that a random network confuses some."""
    random = np.random.default_rng(seed)
    colours = np.random.default_rng(9).integers(30, 225, (4, 1, 1, len(BANDS)))
    labels = np.repeat(np.arange(4), each)
    tiles = colours[labels] + random.normal(0, 20, (len(labels), SIZE, SIZE, len(BANDS)))
    return tiles.clip(0, 255).astype(np.uint8), labels


def test_int8_keeps_the_ranking_and_says_what_it_cost(written: Path, tmp_path: Path) -> None:
    tiles, labels = classes()
    score = retrieval_score(tiles, labels)
    source, target = written / "encoder.onnx", tmp_path / "int8.onnx"
    report = quantise_encoder(source, target, NORMALISATION, Int8(classes(seed=1)[0], score, max_loss=5.0))
    plain, quantised = (OnnxEncoder(path, MEAN, STD) for path in (source, target))
    assert report.score_float32 == score(plain)
    assert report.score_int8 == score(quantised)
    assert report.loss == report.score_float32 - report.score_int8
    assert report.calibration_tiles == 24
    assert 40 < report.score_float32 <= 100
    similarity = (plain(tiles)["embedding"] * quantised(tiles)["embedding"]).sum(axis=1)
    assert float(similarity.min()) > 0.98
    assert target.stat().st_size < 0.5 * source.stat().st_size

    weights = {tensor.name: tensor for tensor in onnx.load(target).graph.initializer}
    assert weights["encoder.head.weight"].data_type == onnx.TensorProto.FLOAT
    assert weights["matcher.candidate_conv.weight"].data_type == onnx.TensorProto.FLOAT
    scales = onnx.numpy_helper.to_array(weights["encoder.trunk.conv1.weight_scale"])
    assert scales.shape == (8,)  # one a channel
    assert {output.name for output in onnx.load(target).graph.output} == {"embedding", "feature", "pair", "map"}


def test_a_loss_above_the_limit_is_refused(written: Path, tmp_path: Path) -> None:
    scores = iter([80.0, 79.6, 80.0, 79.8, 80.0, float("nan")])

    def int8(max_loss: float = 0.3) -> Int8:
        return Int8(random_tiles(4), lambda encoder: next(scores), max_loss)

    target = tmp_path / "int8.onnx"
    with pytest.raises(AccuracyError, match=r"int8 costs 0.40 points \(80.00 to 79.60\), more than 0.30"):
        quantise_encoder(written / "encoder.onnx", target, NORMALISATION, int8())
    assert quantise_encoder(written / "encoder.onnx", target, NORMALISATION, int8()).loss == pytest.approx(0.2)
    with pytest.raises(AccuracyError, match="nan"):
        quantise_encoder(written / "encoder.onnx", target, NORMALISATION, int8())


@pytest.mark.parametrize(
    "tiles",
    [
        random_tiles(0),
        random_tiles(2, bands=3),
        random_tiles(2)[:, :32],
        random_tiles(2).astype(np.float32),
    ],
)
def test_other_calibration_tiles_are_refused(written: Path, tmp_path: Path, tiles: NDArray[np.uint8]) -> None:
    with pytest.raises(BundleError, match=r"pass uint8 of \(N, 64, 64, 4\)"):
        quantise_encoder(written / "encoder.onnx", tmp_path / "q.onnx", NORMALISATION, Int8(tiles, lambda encoder: 0.0))


def test_the_score_is_map_in_points() -> None:
    class Fixed:
        """Answers a tile with two of its own values."""

        def __call__(self, tiles: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
            vectors = tiles[:, 0, 0, :2].astype(np.float32)
            return {"embedding": vectors / np.linalg.norm(vectors, axis=1, keepdims=True)}

    tiles = np.zeros((4, 1, 1, 2), np.uint8)
    tiles[:, 0, 0] = [[100, 0], [100, 10], [0, 100], [100, 40]]
    score = retrieval_score(tiles, [0, 0, 1, 1])
    # item 0: its match is first; 1: first; 2: first (3 is nearest to it); 3: its match is last of three
    assert score(Fixed()) == pytest.approx(100 * (1 + 1 + 1 + 1 / 3) / 4)  # type: ignore[arg-type]
    against = retrieval_score(tiles[:1], [1], tiles, [0, 0, 1, 1])
    assert against(Fixed()) == pytest.approx(100 * (1 / 3 + 2 / 4) / 2)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a database needs its labels"):
        retrieval_score(tiles, [0, 0, 1, 1], tiles)


def test_normalisation_is_the_cards() -> None:
    tiles = random_tiles(2)
    wanted = (tiles / 255 - np.array(MEAN)) / np.array(STD)
    np.testing.assert_allclose(normalised(tiles, MEAN, STD), wanted.transpose(0, 3, 1, 2), atol=1e-5)
