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
    bands: int = len(BANDS),
    size: int = SIZE,
    batch: int | str = "N",
    input_name: str = "tiles",
    embedding_name: str = "embedding",
    normalise: bool = False,
    seed: int = 0,
) -> onnx.ModelProto:
    """Band means through a fixed random matrix (see `projection`) to `embedding`; `feature` and `pair` in the same way."""
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
    tiles = helper.make_tensor_value_info(input_name, TensorProto.FLOAT, [batch, bands, size, size])
    graph = helper.make_graph(nodes, "tiny", [tiles], outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model


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
