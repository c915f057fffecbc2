from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import InvalidBundle, ModelMismatch
from app.inference.bundles import check_bundle
from app.inference.onnx import OnnxInference
from models.bundle.card import ModelCard
from models.bundle.files import HEAD_FILE
from tests.support.bundles import BANDS, digests, tiny_graph, write_bundle
from tests.support.headed import DIMENSION, FEATURE, SIZE, random_head, write_headed_bundle


def test_the_head_makes_of_a_feature_what_the_graph_makes_of_the_tile(tmp_path: Path) -> None:
    model = OnnxInference(write_headed_bundle(tmp_path / "m", random_head(0)), threads=1)
    made = model.embed(np.random.default_rng(0).integers(0, 256, (9, SIZE, SIZE, len(BANDS)), dtype=np.uint8))
    assert made.feature is not None
    projected = model.project(made.feature)
    assert projected is not None
    assert projected.dtype == np.float32
    np.testing.assert_allclose(projected, made.embedding, atol=2e-3)
    np.testing.assert_allclose(np.linalg.norm(projected, axis=1), 1, atol=1e-6)
    with pytest.raises(ModelMismatch, match=f"of {FEATURE} numbers"):
        model.project(made.feature[:, :5])


def test_a_bundle_without_a_head_projects_nothing(tmp_path: Path) -> None:
    model = OnnxInference(write_bundle(tmp_path / "m", tiny_graph()), threads=1)
    assert model.project(np.zeros((2, 5), np.float16)) is None


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "shape": ({"weight": np.zeros((3, 4), np.float32), "bias": np.zeros(DIMENSION, np.float32)}, "shape"),
    "type": ({"weight": np.zeros((DIMENSION, FEATURE)), "bias": np.zeros(DIMENSION, np.float32)}, "float64"),
    "numbers": ({"weight": random_head(0)[0] * np.float32(np.inf), "bias": np.zeros(DIMENSION, np.float32)}, "finite"),
    "names": ({"matrix": np.zeros((DIMENSION, FEATURE), np.float32)}, "weight cannot be read"),
    "objects": ({"weight": np.array([{}]), "bias": np.zeros(DIMENSION, np.float32)}, "cannot be read"),
    "size": ({"weight": np.zeros((4000, 4000), np.float32), "bias": np.zeros(DIMENSION, np.float32)}, "bytes, more than"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_head_that_does_not_fit_is_refused(tmp_path: Path, name: str) -> None:
    arrays, reason = WRONG[name]
    folder = write_headed_bundle(tmp_path / "m", random_head(0))
    np.savez_compressed(folder / HEAD_FILE, **arrays)
    declare(folder)
    with pytest.raises(InvalidBundle, match=reason):
        check_bundle(folder)


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    folder = write_headed_bundle(tmp_path / "m", random_head(0))
    (folder / HEAD_FILE).write_bytes(b"no archive")
    declare(folder)
    with pytest.raises(InvalidBundle, match="cannot be read"):
        OnnxInference(folder, threads=1)


def declare(folder: Path) -> None:
    card = json.loads((folder / "card.json").read_text())
    card["files"] = digests(folder, list(card["files"]))
    (folder / "card.json").write_text(json.dumps(card))


def card(encoder: str, **fields: Any) -> ModelCard:
    wanted = {"input_size": 32, "bands": BANDS, "dimension": 8, "feature_dimension": 9, "pair_dimension": 10, **fields}
    return ModelCard(id="m", files={"encoder.onnx": encoder}, **wanted)


def test_a_model_and_the_heads_trained_on_it_make_the_same_features() -> None:
    base, first = card("aa"), card("bb", encoder_digest="aa", pair_digest="aa")
    second = card("cc", encoder_digest="aa", pair_digest="dd")
    for one, other in ((base, first), (first, second), (second, base)):
        assert one.has_features_of(other)
        assert other.has_features_of(one)
        assert not one.has_encoder_of(other)
    assert first.has_pairs_of(base)
    assert not second.has_pairs_of(base)
    assert base.has_encoder_of(card("aa"))
    assert not base.has_features_of(card("dd"))
    assert not base.has_features_of(card("aa", feature_dimension=7))


def test_models_without_an_encoder_have_nothing_in_common() -> None:
    bare = ModelCard(id="m", input_size=32, bands=BANDS, dimension=8, feature_dimension=9, pair_dimension=10)
    assert not bare.has_encoder_of(bare)
    assert not bare.has_features_of(bare)
    assert not bare.has_pairs_of(bare)
