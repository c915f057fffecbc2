from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.inference.bundles import check_bundle
from app.inference.onnx import OnnxInference
from benchmarks.random_resnet18 import DIMENSION, build


@pytest.mark.parametrize("int8", [True, False])
def test_the_bundle_is_one_and_tells_tiles_apart(tmp_path: Path, int8: bool) -> None:
    folder = build(tmp_path / "random", size=32, int8=int8)
    assert check_bundle(folder).dimension == DIMENSION
    model = OnnxInference(folder, threads=1)
    tiles = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    embedding = model.embed(tiles).embedding
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1, atol=1e-5)
    assert (embedding @ embedding.T)[0, 1] < 0.999


def test_the_same_weights_every_time(tmp_path: Path) -> None:
    first, second = (build(tmp_path / name, size=32, int8=False) for name in ("a", "b"))
    assert (first / "encoder.onnx").read_bytes() == (second / "encoder.onnx").read_bytes()
