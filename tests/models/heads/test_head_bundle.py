"""The bundle with another head: what the service and the learning side read of it, and what stays as it was."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from app.inference.bundles import check_bundle
from app.inference.onnx import OnnxInference
from models.bundle.errors import BundleError
from models.bundle.trained_card import Measurement, TrainingSet
from models.bundle.verify import read_trained_card
from models.heads.errors import HeadError
from models.heads.head_bundle import HeadFacts, encoder_digest, read_head, write_head_bundle
from models.heads.linear_head import Head
from models.heads.onnx_head import head_of, with_head
from tests.support.bundles import tiny_graph

FACTS = HeadFacts(
    id="fields-1",
    title="Fields",
    description="a head for fields",
    labels_from=TrainingSet(name="fields", terms="not stated", images=40),
    training={"labelled": 40},
    metrics={"held out": Measurement(protocol="held-out tiles query each other", values={"map_after": 0.5})},
    fusion={"formula": "cosine + weight * log_odds", "weight": 0.03, "depth": 50},
)


def _other_head(base: Head, seed: int = 0) -> Head:
    random = np.random.default_rng(seed)
    return Head(random.normal(size=base.weight.shape).astype(np.float32), random.normal(size=len(base.bias)).astype(np.float32))


@pytest.fixture(scope="module")
def written(shipped: Path, tmp_path_factory: pytest.TempPathFactory, blocky_tiles: NDArray[np.uint8]) -> Path:
    parent = tmp_path_factory.mktemp("bundle")
    write_head_bundle(parent, shipped, _other_head(read_head(shipped)), FACTS, blocky_tiles)
    return parent / FACTS.id


def test_the_head_of_a_graph_is_what_it_computes(shipped: Path, blocky_tiles: NDArray[np.uint8]) -> None:
    made = OnnxInference(shipped, threads=1).embed(blocky_tiles)
    assert made.feature is not None
    assert np.allclose(read_head(shipped).project(made.feature), made.embedding, atol=1e-3)  # features are float16


def test_only_the_embedding_changes(shipped: Path, written: Path, blocky_tiles: NDArray[np.uint8]) -> None:
    before, after = (OnnxInference(folder, threads=1).embed(blocky_tiles) for folder in (shipped, written))
    assert before.feature is not None
    assert after.feature is not None
    assert np.array_equal(before.feature, after.feature)
    assert before.pair is not None
    assert after.pair is not None
    assert np.array_equal(before.pair, after.pair)
    wanted = _other_head(read_head(shipped)).project(before.feature)
    assert np.allclose(after.embedding, wanted, atol=1e-3)
    assert not np.allclose(after.embedding, before.embedding, atol=0.1)


def test_the_service_reads_it(written: Path) -> None:
    card = check_bundle(written)
    assert (card.id, card.title, card.dimension, card.feature_dimension) == ("fields-1", "Fields", 128, 384)
    assert card.matcher is not None
    assert card.matcher.fusion is not None
    assert (card.matcher.fusion.weight, card.matcher.fusion.depth) == (0.03, 50)


def test_the_card_says_where_it_comes_from(shipped: Path, written: Path) -> None:
    base, card = read_trained_card(shipped), read_trained_card(written)
    assert (card.base, card.head) == ("dyad-rgb-128", {"labelled": 40})
    assert card.matcher is not None
    assert base.matcher is not None
    assert card.matcher.calibration == base.matcher.calibration
    assert [each.name for each in card.training_sets] == ["UC Merced Land Use", "AID", "fields"]
    assert card.training_data.startswith(base.training_data)
    assert card.licence == base.licence
    assert set(card.metrics) == {"held out"}  # the base's were of another embedding
    assert card.splits == base.splits


def test_a_base_and_all_its_heads_have_one_encoder(shipped: Path, written: Path, tmp_path: Path) -> None:
    again = dataclasses.replace(FACTS, id="fields-2", fusion=None)
    write_head_bundle(tmp_path, written, _other_head(read_head(shipped), seed=1), again)
    cards = [read_trained_card(folder) for folder in (shipped, written, tmp_path / "fields-2")]
    assert len({encoder_digest(card) for card in cards}) == 1
    assert len({card.files["encoder.onnx"] for card in cards}) == 3
    assert cards[1].pair_digest == cards[2].pair_digest == cards[0].files["encoder.onnx"]
    assert cards[2].base == "fields-1"
    assert cards[2].matcher is not None
    assert cards[2].matcher.fusion is not None
    assert cards[2].matcher.fusion.model_dump(exclude_unset=True) == FACTS.fusion


def test_head_npz_is_the_graphs_head(written: Path) -> None:
    with np.load(written / "head.npz", allow_pickle=False) as file:
        weight, bias = file["weight"], file["bias"]
    head = read_head(written)
    assert np.array_equal(weight, head.weight)
    assert np.array_equal(bias, head.bias)


def test_an_id_that_is_taken_is_refused_and_nothing_is_left(shipped: Path, tmp_path: Path) -> None:
    (tmp_path / FACTS.id).mkdir()
    with pytest.raises(BundleError, match="exists; choose another id"):
        write_head_bundle(tmp_path, shipped, read_head(shipped), FACTS)
    bad = dataclasses.replace(FACTS, id="bad", metrics={"x": Measurement(protocol="none", values={"map": float("nan")})})
    with pytest.raises(BundleError, match="cannot be written as JSON"):
        write_head_bundle(tmp_path, shipped, read_head(shipped), bad)
    assert [path.name for path in tmp_path.iterdir()] == [FACTS.id]


def test_a_head_of_another_width_is_refused(shipped: Path, tmp_path: Path) -> None:
    narrow = Head(np.ones((128, 7), np.float32), np.zeros(128, np.float32))
    with pytest.raises(HeadError, match="takes features of dimension 7; the model's have 384"):
        write_head_bundle(tmp_path, shipped, narrow, FACTS)
    assert not any(tmp_path.iterdir())


def test_a_graph_whose_embedding_is_not_made_of_its_feature_is_refused() -> None:
    with pytest.raises(HeadError, match="not a linear projection of its feature"):
        head_of(tiny_graph(feature_dimension=4))


def test_a_graph_without_a_feature_is_refused() -> None:
    with pytest.raises(HeadError, match="'feature' and 'embedding' are needed"):
        with_head(tiny_graph(), Head(np.ones((8, 4), np.float32), np.zeros(8, np.float32)))


def test_half_precision_features_and_other_uses_of_the_embedding() -> None:
    model = tiny_graph(feature_dimension=4)
    graph = model.graph
    maker = next(node for node in graph.node if list(node.output) == ["feature"])
    maker.output[0] = "wide"
    graph.node.append(helper.make_node("Cast", ["wide"], ["feature"], to=TensorProto.FLOAT16))
    next(each for each in graph.output if each.name == "feature").type.tensor_type.elem_type = TensorProto.FLOAT16
    graph.node.append(helper.make_node("Abs", ["embedding"], ["sizes"]))
    graph.output.append(helper.make_tensor_value_info("sizes", TensorProto.FLOAT, ["N", 8]))
    random = np.random.default_rng(0)
    head = Head(random.normal(size=(3, 4)).astype(np.float32), random.normal(size=3).astype(np.float32))
    changed = with_head(model, head)
    found = head_of(changed)
    assert np.array_equal(found.weight, head.weight)
    tiles = random.normal(size=(2, 3, 16, 16)).astype(np.float32)
    evaluated = _run(changed, tiles)
    before = _run(model, tiles)
    assert np.allclose(evaluated["embedding"], head.project(before["feature"]), atol=1e-5)
    assert np.array_equal(evaluated["sizes"], np.abs(before["embedding"]))


def _run(model: onnx.ModelProto, tiles: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(names, {"tiles": tiles}), strict=True))


def test_the_service_projects_a_collection_by_head_npz(shipped: Path, written: Path, blocky_tiles: NDArray[np.uint8]) -> None:
    base, learned = (OnnxInference(folder, threads=1) for folder in (shipped, written))
    assert learned.card.has_features_of(base.card)
    assert learned.card.has_pairs_of(base.card)
    feature = base.embed(blocky_tiles).feature
    assert feature is not None
    projected = learned.project(feature)
    assert projected is not None
    assert np.allclose(projected, learned.embed(blocky_tiles).embedding, atol=1e-3)


def test_a_card_is_plain_json(written: Path) -> None:
    assert json.loads((written / "card.json").read_text())["head"] == {"labelled": 40}
