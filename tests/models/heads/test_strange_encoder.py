"""Heads on encoders that Dyad did not make: long features, and no matcher."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.inference.adding.add_encoder import make_bundle
from app.inference.adding.request import EncoderRequest
from app.inference.bundles import check_bundle
from app.inference.onnx import OnnxInference
from models.heads import starting_head
from models.heads.train import train_head
from tests.support.head_inputs import FAST, Encoded, write_inputs
from tests.support.strangers import SIDE, WIDTH, write_stranger
from tests.support.tiles import CLASSES, make_tiles


def test_a_long_embedding_is_shortened_and_taught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting_head, "LONGEST", 10)
    encoder = write_stranger(tmp_path / "long.onnx", data="weights.bin", batch=2)
    make_bundle(encoder, EncoderRequest("long", ("red", "green", "blue")), tmp_path / "long")
    tiles = make_tiles(80)
    step = tiles.pixels.shape[1] // SIDE
    pixels = np.ascontiguousarray(tiles.pixels[:, ::step, ::step][:, :SIDE, :SIDE])
    made = OnnxInference(tmp_path / "long", 1).embed(pixels)
    assert made.feature is not None
    encoded = Encoded(made.feature, made.embedding, np.zeros((len(pixels), 1), np.uint8))
    held_out = np.arange(len(pixels)) % 5 == 0
    folder = write_inputs(tmp_path / "work", tmp_path / "long", encoded, pixels, tiles.labels, CLASSES, held_out, recipe=FAST)
    result = train_head(folder, lambda *_: None)
    card = check_bundle(folder / "bundle" / "learned-1")
    assert (card.dimension, card.feature_dimension) == (10, WIDTH)
    assert result["metrics"]["after"]["mean_average_precision"] > 0
    taught = OnnxInference(folder / "bundle" / "learned-1", 1)
    projected = taught.project(made.feature)
    assert projected is not None
    np.testing.assert_allclose(projected, taught.embed(pixels).embedding, atol=5e-3)
    assert card.ranking is not None
