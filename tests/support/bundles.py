"""Tiny real bundles: graphs of a few nodes that ONNX Runtime runs, with their cards."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE = 16
BANDS = ("red", "green", "blue")
MEAN = (0.4, 0.5, 0.6)
STD = (0.2, 0.25, 0.3)


def tiny_graph(
    *,
    dimension: int = 8,
    feature_dimension: int = 0,
    pair_dimension: int = 0,
    map_side: int = 0,
    bands: int = len(BANDS),
    size: int = SIZE,
    batch: int | str = "N",
    input_name: str = "tiles",
    embedding_name: str = "embedding",
    normalise: bool = False,
    seed: int = 0,
) -> onnx.ModelProto:
    """Band means through a fixed random matrix (see `projection`) to `embedding`; `feature` and `pair` in the same way.

    map_side: height and width of the output `map`, the tiles made that small; 0 for none.
    """
    nodes = [helper.make_node("ReduceMean", [input_name, "axes"], ["means"], keepdims=0)]
    initializers = [numpy_helper.from_array(np.array([2, 3]), "axes")]
    outputs = []

    def project(name: str, width: int, kind: int) -> None:
        matrix = projection(bands, width, seed)
        initializers.append(numpy_helper.from_array(matrix, f"{name}_matrix"))
        raw = f"{name}_raw" if kind == TensorProto.UINT8 or normalise else name
        nodes.append(helper.make_node("MatMul", ["means", f"{name}_matrix"], [raw]))
        if kind == TensorProto.UINT8:
            nodes.append(helper.make_node("Abs", [raw], [f"{name}_abs"]))
            nodes.append(helper.make_node("Cast", [f"{name}_abs"], [name], to=TensorProto.UINT8))
        elif normalise:
            nodes.append(helper.make_node("LpNormalization", [raw], [name], axis=1, p=2))
        outputs.append(helper.make_tensor_value_info(name, kind, [batch, width]))

    project(embedding_name, dimension, TensorProto.FLOAT)
    if feature_dimension:
        project("feature", feature_dimension, TensorProto.FLOAT)
    if pair_dimension:
        project("pair", pair_dimension, TensorProto.UINT8)
    if map_side:
        step = size // map_side
        nodes.append(helper.make_node("AveragePool", [input_name], ["map"], kernel_shape=[step, step], strides=[step, step]))
        outputs.append(helper.make_tensor_value_info("map", TensorProto.FLOAT, [batch, bands, map_side, map_side]))
    tiles = helper.make_tensor_value_info(input_name, TensorProto.FLOAT, [batch, bands, size, size])
    return _model(nodes, [tiles], outputs, initializers)


def _model(nodes: list[Any], inputs: list[Any], outputs: list[Any], initializers: list[Any]) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model


MAP_SIDE, HIDDEN = 4, 2
PAIR = HIDDEN * MAP_SIDE**2


def query_half_graph(dimension: int = PAIR, rows: int | str = "N", output: str = "half") -> onnx.ModelProto:
    """The map's means through the matrix of `pair`, as absolute values: what `tiny_graph` stores, before it is cut to bytes."""
    bands = len(BANDS)
    nodes = [
        helper.make_node("ReduceMean", ["map", "axes"], ["means"], keepdims=0),
        helper.make_node("MatMul", ["means", "matrix"], ["raw"]),
        helper.make_node("Abs", ["raw"], [output]),
    ]
    constants = [
        numpy_helper.from_array(np.array([2, 3]), "axes"),
        numpy_helper.from_array(projection(bands, dimension), "matrix"),
    ]
    maps = helper.make_tensor_value_info("map", TensorProto.FLOAT, [rows, bands, MAP_SIDE, MAP_SIDE])
    return _model(nodes, [maps], [helper.make_tensor_value_info(output, TensorProto.FLOAT, [rows, dimension])], constants)


def tail_graph(
    dimension: int = PAIR, rows: int | str = "M", pair_type: int = TensorProto.UINT8, places: int = 0
) -> onnx.ModelProto:
    """Logits `(0, 1 - mean |half - pair|)`. places: h * w of `query_places` and `candidate_places`, the values `k / places` and
    `1 - k / places` of place k for every pair; 0 for none."""
    nodes = [
        helper.make_node("Cast", ["pair"], ["candidates"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["half", "candidates"], ["difference"]),
        helper.make_node("Abs", ["difference"], ["distances"]),
        helper.make_node("ReduceMean", ["distances", "axes"], ["distance"], keepdims=1),
        helper.make_node("Sub", ["one", "distance"], ["match"]),
        helper.make_node("Mul", ["match", "zero"], ["mismatch"]),
        helper.make_node("Concat", ["mismatch", "match"], ["logits"], axis=1),
    ]
    constants = [
        numpy_helper.from_array(np.array([1]), "axes"),
        numpy_helper.from_array(np.array(1, np.float32), "one"),
        numpy_helper.from_array(np.array(0, np.float32), "zero"),
    ]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [rows, 2])]
    rising = np.arange(places, dtype=np.float32) / max(1, places)
    for name, values in (("query_places", rising), ("candidate_places", 1 - rising)) if places else ():
        constants.append(numpy_helper.from_array(values, f"{name}_values"))
        nodes.append(helper.make_node("Add", ["mismatch", f"{name}_values"], [name]))
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows, places]))
    half = helper.make_tensor_value_info("half", TensorProto.FLOAT, [1, dimension])
    pair = helper.make_tensor_value_info("pair", pair_type, [rows, dimension])
    return _model(nodes, [half, pair], outputs, constants)


def matcher_card(**changes: Any) -> dict[str, Any]:
    """The `matcher` of a card that fits the graphs above."""
    return {
        "map_shape": [len(BANDS), MAP_SIDE, MAP_SIDE],
        "half_shape": [HIDDEN, MAP_SIDE, MAP_SIDE],
        "fusion": {"weight": 0.1, "depth": 20},
        "calibration": {"scale": 2.0, "offset": -1.0, "slope": 1.5},
        **changes,
    }


def write_matching_bundle(
    folder: Path,
    encoder: onnx.ModelProto | None = None,
    query_half: onnx.ModelProto | None = None,
    tail: onnx.ModelProto | None = None,
    **card: Any,
) -> Path:
    """A bundle with a matcher; every graph may be given, `card` replaces or adds fields."""
    write_bundle(folder, encoder or tiny_graph(pair_dimension=PAIR, map_side=MAP_SIDE))
    (folder / "query_half.onnx").write_bytes((query_half or query_half_graph()).SerializeToString())
    (folder / "tail.onnx").write_bytes((tail or tail_graph()).SerializeToString())
    fields = json.loads((folder / "card.json").read_text()) | {
        "pair_dimension": PAIR,
        "matcher": matcher_card(),
        "files": digests(folder, ["encoder.onnx", "query_half.onnx", "tail.onnx"]),
    }
    (folder / "card.json").write_text(json.dumps(fields | card))
    return folder


def projection(bands: int, width: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The (B, width) float32 matrix of `tiny_graph`."""
    return np.random.default_rng(seed).normal(size=(bands, width)).astype(np.float32)


def write_bundle(folder: Path, model: onnx.ModelProto, **card: Any) -> Path:
    """Write `encoder.onnx` and a `card.json` that fits `tiny_graph`'s defaults; `card` replaces or adds fields."""
    folder.mkdir(parents=True)
    (folder / "encoder.onnx").write_bytes(model.SerializeToString())
    fields: dict[str, Any] = {
        "format": 1,
        "id": folder.name,
        "kind": "onnx",
        "input_size": SIZE,
        "bands": BANDS,
        "dimension": 8,
        "normalisation": {"mean": MEAN, "std": STD},
        "files": digests(folder, ["encoder.onnx"]),
    }
    (folder / "card.json").write_text(json.dumps(fields | card))
    return folder


def digests(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """sha256 by file name."""
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
