"""Tiny real bundles whose embedding is a matrix times a feature, so that the one may change without the other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tests.support.bundles import BANDS, digests

SIZE, CELLS = 32, 4
FEATURE = len(BANDS) * CELLS * CELLS
DIMENSION = 12


def random_head(seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(D, F) and (D,) float32."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(DIMENSION, FEATURE)).astype(np.float32), rng.normal(size=DIMENSION).astype(np.float32) * 0.1


def headed_graph(weight: NDArray[np.float32], bias: NDArray[np.float32], *, pair: bool = False) -> onnx.ModelProto:
    """`feature`: means over a 4 x 4 grid of cells; `embedding`: the head's; `pair`: the feature's size, scaled to 0..255."""
    side = SIZE // CELLS
    nodes = [
        helper.make_node("AveragePool", ["tiles"], ["cells"], kernel_shape=[side, side], strides=[side, side]),
        helper.make_node("Flatten", ["cells"], ["feature"]),
        helper.make_node("Gemm", ["feature", "weight", "bias"], ["embedding"], transB=1),
    ]
    outputs = {"embedding": (TensorProto.FLOAT, len(weight)), "feature": (TensorProto.FLOAT, FEATURE)}
    initializers = [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")]
    if pair:
        initializers.append(numpy_helper.from_array(np.array([100.0], np.float32), "hundred"))
        nodes += [
            helper.make_node("Mul", ["feature", "hundred"], ["scaled"]),
            helper.make_node("Abs", ["scaled"], ["size"]),
            helper.make_node("Cast", ["size"], ["pair"], to=TensorProto.UINT8),
        ]
        outputs["pair"] = (TensorProto.UINT8, FEATURE)
    tiles = helper.make_tensor_value_info("tiles", TensorProto.FLOAT, ["N", len(BANDS), SIZE, SIZE])
    made = [helper.make_tensor_value_info(name, kind, ["N", width]) for name, (kind, width) in outputs.items()]
    graph = helper.make_graph(nodes, "headed", [tiles], made, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def write_headed_bundle(
    folder: Path, head: tuple[NDArray[np.float32], NDArray[np.float32]], *, pair: bool = False, file: bool = True, **card: Any
) -> Path:
    """A bundle with that head. file: with its `head.npz`. card: fields to add or replace."""
    folder.mkdir(parents=True)
    weight, bias = head
    (folder / "encoder.onnx").write_bytes(headed_graph(weight, bias, pair=pair).SerializeToString())
    if file:
        with (folder / "head.npz").open("wb") as target:
            np.savez(target, weight=weight, bias=bias)
    fields: dict[str, Any] = {
        "format": 1,
        "id": folder.name,
        "kind": "onnx",
        "input_size": SIZE,
        "bands": BANDS,
        "dimension": len(weight),
        "feature_dimension": FEATURE,
        "pair_dimension": FEATURE if pair else 0,
        "files": digests(folder, ["encoder.onnx", *(["head.npz"] if file else [])]),
    }
    (folder / "card.json").write_text(json.dumps(fields | card))
    return folder
