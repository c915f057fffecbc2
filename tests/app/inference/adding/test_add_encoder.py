"""Bundles of encoders that Dyad did not make: what is found by itself, what is asked for, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from app.errors import InvalidBundle
from app.inference.adding.add_encoder import AddedEncoder, make_bundle
from app.inference.adding.request import EncoderRequest
from app.inference.bundles import check_bundle
from app.inference.onnx import OnnxInference
from models.heads.head_bundle import read_head
from tests.support.strangers import CELL, INPUT, OUTPUT, SIDE, WIDTH, stranger, write_stranger

BANDS = ("red", "green", "blue")
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def request(**changes: Any) -> EncoderRequest:
    return EncoderRequest(**({"id": "mine", "bands": BANDS, "mean": MEAN, "std": STD} | changes))


def add(path: Path, **changes: Any) -> AddedEncoder:
    return make_bundle(path, request(**changes), path.parent / "bundle")


def tiles(count: int = 3, bands: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, 256, (count, SIDE, SIDE, bands), np.uint8)


def expected(pixels: NDArray[np.uint8], mean: Any = MEAN, std: Any = STD) -> NDArray[np.float32]:
    """Pooled features of `stranger`, L2-normalised, in NumPy."""
    weight = np.random.default_rng(1).normal(size=(WIDTH, pixels.shape[-1], CELL, CELL)).astype(np.float32) / CELL
    values = ((pixels / 255 - np.array(mean)) / np.array(std)).astype(np.float32)
    blocks = values.reshape(len(values), SIDE // CELL, CELL, SIDE // CELL, CELL, -1)
    means = np.maximum(np.einsum("nhawbc,ocab->nhwo", blocks, weight), 0).mean(axis=(1, 2))
    return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True), np.float32)


def embedding(folder: Path, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return OnnxInference(folder / "bundle", 1).embed(pixels).embedding


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"pooled": True},
        {"batch": 1},
        {"batch": 4, "pooled": True},
        {"side": "side"},
        {"channels_last": True},
        {"map_last": True},
        {"data": "encoder.weights"},
        {"data": "parts/w.bin"},
        {"opset": 11},
    ],
    ids=str,
)
def test_any_shape_gives_the_same_embedding(tmp_path: Path, options: dict[str, Any]) -> None:
    if "data" in options:
        (tmp_path / "parts").mkdir()
    path = write_stranger(tmp_path / "encoder.onnx", **options)
    made = add(path, size=SIDE)
    card = check_bundle(tmp_path / "bundle")
    assert card == made.card
    assert (card.input_size, card.bands, card.dimension, card.feature_dimension) == (SIDE, BANDS, WIDTH, WIDTH)
    assert made.output == OUTPUT
    assert ("encoder.onnx.data" in card.files) == ("data" in options)
    np.testing.assert_allclose(embedding(tmp_path, tiles()), expected(tiles()), atol=1e-5)
    assert read_head(tmp_path / "bundle").weight.shape == (WIDTH, WIDTH)


def test_equal_encoders_give_equal_bundles(tmp_path: Path) -> None:
    path = write_stranger(tmp_path / "encoder.onnx", data="w.bin")
    first, second = (make_bundle(path, request(), tmp_path / name).card for name in ("a", "b"))
    assert first == second


def test_uint8_inputs_get_the_values_of_the_file(tmp_path: Path) -> None:
    path = write_stranger(tmp_path / "bytes.onnx", kind=TensorProto.UINT8)
    add(path, mean=(), std=())
    wanted = expected(tiles(), (0.0,) * 3, (1 / 255,) * 3)
    np.testing.assert_allclose(embedding(tmp_path, tiles()), wanted, atol=1e-5)


def test_half_precision_inputs_are_accepted(tmp_path: Path) -> None:
    add(write_stranger(tmp_path / "half.onnx", kind=TensorProto.FLOAT16))
    assert (embedding(tmp_path, tiles()) * expected(tiles())).sum(axis=1).min() > 0.9999


def test_one_mean_and_std_are_those_of_all_bands(tmp_path: Path) -> None:
    made = add(write_stranger(tmp_path / "four.onnx", bands=4), bands=("a", "b", "c", "d"), mean=(0.5,), std=(0.25,))
    assert made.card.scaling.mean == (0.5,) * 4
    assert made.card.scaling.std == (0.25,) * 4


def test_a_large_feature_is_scaled_into_float16(tmp_path: Path) -> None:
    add(write_stranger(tmp_path / "large.onnx", pooled=True), mean=(0.0,), std=(1e-6,))
    feature = OnnxInference(tmp_path / "bundle", 1).embed(tiles()).feature
    assert feature is not None
    assert np.isfinite(feature).all()
    assert 0.1 < np.abs(feature).max() < 100


def test_a_graph_with_our_names_is_added_too(tmp_path: Path) -> None:
    model = stranger(pooled=True)
    for part in (*model.graph.input, *model.graph.output):
        part.name = {INPUT: "embedding", OUTPUT: "tiles"}[part.name]
    model.graph.node[0].input[0] = "embedding"
    model.graph.node[-1].output[0] = "tiles"
    onnx.save_model(model, tmp_path / "named.onnx")
    assert add(tmp_path / "named.onnx").output == "tiles"
    np.testing.assert_allclose(embedding(tmp_path, tiles()), expected(tiles()), atol=1e-5)


def test_a_graph_that_runs_one_tile_only_runs_one_at_a_time(tmp_path: Path) -> None:
    model = stranger(pooled=True)
    model.graph.node[-1].CopyFrom(helper.make_node("Reshape", ["mean", "shape"], [OUTPUT]))
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, WIDTH]), "shape"))
    onnx.save_model(model, tmp_path / "one.onnx")
    add(tmp_path / "one.onnx")
    np.testing.assert_allclose(embedding(tmp_path, tiles()), expected(tiles()), atol=1e-5)


def tokens(name: str = "hidden") -> tuple[list[Any], Any]:
    """An output of tokens (N, T, C): the places of the map."""
    nodes = [
        helper.make_node("Flatten", ["map"], ["flat"], axis=2),
        helper.make_node("Reshape", ["map", "shape"], ["rows"]),
        helper.make_node("Transpose", ["rows"], [name], perm=[0, 2, 1]),
    ]
    return nodes[1:], helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", (SIDE // CELL) ** 2, WIDTH])


def with_tokens(path: Path, **options: Any) -> Path:
    model = stranger(more=[tokens()], **options)
    model.graph.initializer.append(numpy_helper.from_array(np.array([0, WIDTH, -1]), "shape"))
    onnx.save_model(model, path)
    return path


def test_a_vector_is_preferred_to_tokens(tmp_path: Path) -> None:
    assert add(with_tokens(tmp_path / "two.onnx", pooled=True)).output == OUTPUT


def test_several_outputs_are_named_and_one_is_chosen(tmp_path: Path) -> None:
    path = with_tokens(tmp_path / "two.onnx")
    with pytest.raises(InvalidBundle, match=rf"'{OUTPUT}' \(N, 24, 8, 8\), 'hidden' \(N, 64, 24\); choose one with --output"):
        add(path)
    (made,) = [make_bundle(path, request(output="hidden"), tmp_path / "mean")]
    assert made.shape == (64, WIDTH)
    found = OnnxInference(tmp_path / "mean", 1).embed(tiles()).embedding
    np.testing.assert_allclose(found, expected(tiles()), atol=1e-5)
    make_bundle(path, request(output="hidden", pooling="cls"), tmp_path / "cls")
    corner = OnnxInference(tmp_path / "cls", 1).embed(tiles()).embedding
    assert np.abs(corner - found).max() > 1e-3
    with pytest.raises(InvalidBundle, match=r"--output 'nothing' cannot be used; choose one of 'last_map'"):
        make_bundle(path, request(output="nothing"), tmp_path / "no")


def constant(model: onnx.ModelProto) -> None:
    model.graph.node[-1].CopyFrom(helper.make_node("Mul", ["map", "none"], [OUTPUT]))
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.float32), "none"))


def not_finite(model: onnx.ModelProto) -> None:
    model.graph.node[-1].CopyFrom(helper.make_node("Div", ["map", "none"], [OUTPUT]))
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.float32), "none"))


def custom(model: onnx.ModelProto) -> None:
    model.graph.node[-1].CopyFrom(helper.make_node("Secret", ["map"], [OUTPUT], domain="com.acme"))
    model.opset_import.append(helper.make_opsetid("com.acme", 1))


def two_inputs(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["batch"]))


REFUSED: dict[str, tuple[dict[str, Any], Callable[[onnx.ModelProto], None] | None, dict[str, Any], str]] = {
    "bands": ({"bands": 4}, None, {}, r"has shape \(any, 4, 64, 64\), but --bands names 3"),
    "size": ({}, None, {"size": 128}, "takes 64 pixels, but --size is 128; leave out --size"),
    "no size": ({"side": "side"}, None, {}, "state the size of its tiles with --size"),
    "text": ({"kind": TensorProto.INT64}, None, {}, "input 'pixel_values' is int64; an image is float32"),
    "uint8 with mean": ({"kind": TensorProto.UINT8}, None, {}, "leave out --mean and --std"),
    "means": ({}, None, {"mean": (0.5, 0.5)}, "--mean has 2 numbers for 3 bands; pass 3, or one for all bands"),
    "std 0": ({}, None, {"std": (0.0,)}, "a std is not a finite number above 0"),
    "id": ({}, None, {"id": "a/b"}, "id: String should match pattern"),
    "constant": ({}, constant, {}, "is the same for different tiles"),
    "not finite": ({}, not_finite, {}, "is not finite for a test tile; check --mean and --std"),
    "custom operators": ({}, custom, {}, "it uses operators of com.acme, which ONNX Runtime does not have"),
    "two inputs": ({}, two_inputs, {}, "inputs are 'pixel_values', 'mask'; an encoder has one"),
    "too wide": ({"width": 4200}, None, {}, "gives 4200 numbers per tile; 2 to 4096 are accepted"),
    "cls of a map": ({}, None, {"pooling": "cls"}, "the output is a map; leave it out"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused(tmp_path: Path, name: str) -> None:
    options, spoil, changes, reason = REFUSED[name]
    model = stranger(**options)
    if spoil is not None:
        spoil(model)
    onnx.save_model(model, tmp_path / "encoder.onnx")
    with pytest.raises(InvalidBundle, match=reason) as error:
        add(tmp_path / "encoder.onnx", **changes)
    assert "\n" not in str(error.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    for number, content in enumerate((b"", b"no graph", b"\x00" * 100, b"PK\x03\x04")):
        path = tmp_path / f"{number}.onnx"
        path.write_bytes(content)
        with pytest.raises(InvalidBundle, match="not an ONNX model"):
            add(path)


def test_external_data_must_be_there_and_inside_the_folder(tmp_path: Path) -> None:
    path = write_stranger(tmp_path / "model" / "encoder.onnx", data="w.bin")
    data = path.parent / "w.bin"
    content = data.read_bytes()
    data.write_bytes(content[:-1])
    with pytest.raises(InvalidBundle, match=r"the data file 'w\.bin' has \d+ bytes, but tensor 'weight' needs"):
        make_bundle(path, request(), tmp_path / "short")
    data.unlink()
    with pytest.raises(InvalidBundle, match=r"its data file 'w\.bin' is missing; copy it into the model's folder"):
        make_bundle(path, request(), tmp_path / "missing")
    (tmp_path / "w.bin").write_bytes(content)
    data.symlink_to(tmp_path / "w.bin")
    with pytest.raises(InvalidBundle, match="outside the folder of the model"):
        make_bundle(path, request(), tmp_path / "link")
    for place in ("../w.bin", str(tmp_path / "w.bin")):
        model = onnx.load(path, load_external_data=False)
        model.graph.initializer[0].external_data[0].value = place
        path.write_bytes(model.SerializeToString())
        with pytest.raises(InvalidBundle, match="outside the folder of the model"):
            make_bundle(path, request(), tmp_path / f"out{len(place)}")
