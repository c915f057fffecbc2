from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto

from app.errors import InvalidBundle, ModelMismatch
from app.inference.bundles import check_bundle, read_bundle
from app.inference.handcrafted import hog
from app.inference.local_models import BUNDLED
from app.inference.onnx import MAX_BATCH, OnnxInference
from models.bundle.card import Calibration, Fusion
from tests.support.bundles import (
    BANDS,
    MAP_SIDE,
    PAIR,
    SIZE,
    matcher_card,
    query_half_graph,
    tail_graph,
    tiny_graph,
    write_bundle,
    write_matching_bundle,
)


def random_tiles(count: int, size: int = SIZE, seed: int = 1) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, len(BANDS)), dtype=np.uint8)


@pytest.mark.parametrize("count", [1, MAX_BATCH + 2])
@pytest.mark.parametrize("batch", ["N", 4])
def test_examine_embeds_and_computes_query_features_in_one_pass(tmp_path: Path, count: int, batch: int | str) -> None:
    encoder = tiny_graph(pair_dimension=PAIR, map_side=MAP_SIDE, batch=batch)
    model = OnnxInference(write_matching_bundle(tmp_path / "m", encoder), threads=1)
    tiles = random_tiles(count)
    made, query_features = model.examine(tiles)
    plain = model.embed(tiles)
    np.testing.assert_array_equal(made.embedding, plain.embedding)
    np.testing.assert_array_equal(made.pair, plain.pair)
    assert query_features is not None
    assert made.pair is not None
    assert query_features.shape == (count, PAIR)
    assert query_features.dtype == np.float32
    np.testing.assert_array_equal(
        np.floor(query_features), made.pair
    )  # the tiny matcher stores what it asks with, cut to bytes


def test_log_odds_are_match_less_mismatch(tmp_path: Path) -> None:
    model = OnnxInference(write_matching_bundle(tmp_path / "m"), threads=1)
    tiles = random_tiles(9)
    made, query_features = model.examine(tiles)
    assert query_features is not None
    assert made.pair is not None
    found = model.log_odds(query_features[4], made.pair)
    assert found.shape == (9,)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, 1 - np.abs(query_features[4] - made.pair.astype(np.float32)).mean(axis=1), atol=1e-6)
    assert model.log_odds(query_features[4], made.pair[:0]).shape == (0,)


def test_pair_features_of_another_model_are_refused(tmp_path: Path) -> None:
    model = OnnxInference(write_matching_bundle(tmp_path / "m"), threads=1)
    for query, pairs in (
        (np.zeros(PAIR + 1, np.float32), np.zeros((2, PAIR), np.uint8)),
        (np.zeros(PAIR, np.float32), np.zeros((2, PAIR - 1), np.uint8)),
        (np.zeros(PAIR, np.float32), np.zeros((2, PAIR), np.float32)),
    ):
        with pytest.raises(ModelMismatch, match=f"query features of {PAIR} numbers"):
            model.log_odds(query, pairs)  # type: ignore[arg-type]


def test_models_without_a_matcher_have_no_query_features(tmp_path: Path) -> None:
    bundle = OnnxInference(write_bundle(tmp_path / "m", tiny_graph()), threads=1)
    for model, tiles in ((bundle, random_tiles(2)), (hog.hog(1), random_tiles(2, hog.CARD.input_size))):
        made, query_features = model.examine(tiles)
        assert query_features is None
        np.testing.assert_array_equal(made.embedding, model.embed(tiles).embedding)
        with pytest.raises(ModelMismatch, match="no matcher"):
            model.log_odds(np.zeros(4, np.float32), np.zeros((1, 4), np.uint8))


def test_the_shipped_matcher_knows_the_same_picture() -> None:
    folder = BUNDLED / "dyad-rgb-128"
    card = check_bundle(folder)
    assert card.matcher is not None
    assert isinstance(card.matcher.fusion, Fusion)
    assert isinstance(card.matcher.calibration, Calibration)
    assert card.matcher.fusion.weight > 0
    assert card.pair_dimension == card.matcher.pair_dimension
    model = OnnxInference(folder, threads=1)
    rows, columns = np.mgrid[:128, :128]
    stripes = [np.broadcast_to(((plane // 8) % 2 * 255)[..., None], (128, 128, 3)) for plane in (rows, columns, rows + columns)]
    made, query_features = model.examine(np.stack(stripes).astype(np.uint8))
    assert query_features is not None
    assert made.pair is not None
    assert np.isfinite(model.log_odds(query_features[0], made.pair)).all()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"pair_dimension": PAIR - 1}, f"pair_dimension is {PAIR - 1}, but matcher.half_shape has {PAIR} numbers"),
        ({"matcher": matcher_card(half_shape=[2, 3, 4])}, "not as high and wide as map_shape"),
        ({"matcher": matcher_card(map_shape=[3, 4])}, "matcher.map_shape"),
        ({"matcher": matcher_card(fusion={"weight": -0.1})}, "matcher.fusion.weight"),
        ({"matcher": matcher_card(fusion={"weight": 0.1, "depth": 1001})}, "matcher.fusion.depth"),
        ({"matcher": matcher_card(fusion={"weight": 0.1, "formula": "product"})}, "matcher.fusion.formula"),
        ({"matcher": matcher_card(calibration={"scale": 0})}, "matcher.calibration.scale"),
        ({"matcher": matcher_card(calibration={"scale": 1, "offset": float("nan")})}, "matcher.calibration.offset"),
    ],
)
def test_a_card_that_contradicts_its_matcher_is_refused(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    folder = write_matching_bundle(tmp_path / "m", **changes)
    with pytest.raises(InvalidBundle, match=f"^m: card.json: .*{reason}"):
        read_bundle(folder)


def test_a_matcher_needs_its_graphs(tmp_path: Path) -> None:
    folder = write_matching_bundle(tmp_path / "m")
    card = json.loads((folder / "card.json").read_text())
    (folder / "tail.onnx").unlink()
    del card["files"]["tail.onnx"]
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(InvalidBundle, match=r"tail\.onnx is not declared"):
        read_bundle(folder)


GRAPHS: dict[str, tuple[dict[str, onnx.ModelProto], str]] = {
    "no map": ({"encoder": tiny_graph(pair_dimension=PAIR)}, "the encoder has no 'map'"),
    "another map": ({"encoder": tiny_graph(pair_dimension=PAIR, map_side=8)}, "'map' of the encoder is"),
    "other query features": ({"query_half": query_half_graph(PAIR + 1)}, "'half' of query_half.onnx is"),
    "another output": ({"query_half": query_half_graph(output="left")}, "query_half.onnx has no 'half'"),
    "one query at a time": ({"query_half": query_half_graph(rows=1)}, "it must take any number"),
    "another tail": ({"tail": tail_graph(PAIR - 1)}, "'half' of tail.onnx is"),
    "three at a time": ({"tail": tail_graph(rows=3)}, "takes 3 rows of 'pair'"),
    "whole numbers": ({"tail": tail_graph(pair_type=TensorProto.INT32)}, "'pair' of tail.onnx is"),
    "the wrong graph": ({"tail": query_half_graph()}, "the inputs of tail.onnx are"),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_that_do_not_fit_the_card_are_refused(tmp_path: Path, name: str) -> None:
    graphs, reason = GRAPHS[name]
    folder = write_matching_bundle(tmp_path / "m", **graphs)
    for read in (check_bundle, lambda path: OnnxInference(path, threads=1)):
        with pytest.raises(InvalidBundle, match=f"model 'm': .*{reason}"):
            read(folder)
