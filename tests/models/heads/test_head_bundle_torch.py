"""What the learning side reads of a bundle with another head."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.bundle.runtime import OnnxEncoder, normalised
from models.bundle.trained_card import TrainingSet
from models.heads.head_bundle import HeadFacts, write_head_bundle
from models.heads.linear_head import Head

torch = pytest.importorskip("torch")


def test_it_reads_the_same_network(shipped: Path, tmp_path: Path, blocky_tiles: NDArray[np.uint8]) -> None:
    from models.export.write_bundle import read_bundle

    random = np.random.default_rng(0)
    head = Head(random.normal(size=(128, 384)).astype(np.float32), random.normal(size=128).astype(np.float32))
    facts = HeadFacts("other", "", "", TrainingSet(name="fields", terms="not stated"), {})
    write_head_bundle(tmp_path, shipped, head, facts, blocky_tiles)
    bundle = read_bundle(tmp_path / "other")
    assert np.array_equal(bundle.encoder.head.weight.detach().numpy(), head.weight)
    scale = bundle.card.normalisation
    with torch.no_grad():
        found = bundle.encoder(torch.from_numpy(normalised(blocky_tiles, scale.mean, scale.std))).embedding.numpy()
    made = OnnxEncoder(tmp_path / "other" / "encoder.onnx", scale.mean, scale.std, threads=1)(blocky_tiles)["embedding"]
    assert float(np.sum(found * made, axis=1).min()) > 0.98  # int8 against float32
