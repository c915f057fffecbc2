"""Encoders that Dyad did not make: small ONNX graphs with names, shapes and types of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import convert_model_to_external_data

SIDE, WIDTH, CELL = 64, 24, 8
INPUT, OUTPUT = "pixel_values", "last_map"


def stranger(
    *,
    bands: int = 3,
    side: int | str = SIDE,
    batch: int | str = "batch",
    width: int = WIDTH,
    pooled: bool = False,
    kind: int = TensorProto.FLOAT,
    channels_last: bool = False,
    map_last: bool = False,
    more: Sequence[tuple[list[Any], Any]] = (),
    opset: int = 17,
) -> onnx.ModelProto:
    """A convolution and ReLU: the output is its map (N, width, side / 8, side / 8), or with `pooled` its means (N, width).

    kind: type of the input. channels_last, map_last: whether the input, and the map, have the channels in the last axis. more:
    nodes and description of further outputs, made of the value "map".
    """
    rng = np.random.default_rng(1)
    weight = rng.normal(size=(width, bands, CELL, CELL)).astype(np.float32) / CELL
    nodes = [
        helper.make_node("Cast", [INPUT], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2] if channels_last else [0, 1, 2, 3]),
        helper.make_node("Conv", ["planes", "weight"], ["conv"], strides=[CELL, CELL]),
        helper.make_node("Relu", ["conv"], ["map"]),
    ]
    if pooled:
        nodes += [
            helper.make_node("GlobalAveragePool", ["map"], ["mean"]),
            helper.make_node("Flatten", ["mean"], [OUTPUT]),
        ]
        outputs = [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [batch, width])]
    else:
        nodes.append(helper.make_node("Transpose", ["map"], [OUTPUT], perm=[0, 2, 3, 1] if map_last else [0, 1, 2, 3]))
        places = side // CELL if isinstance(side, int) else "places"
        shape = [batch, places, places, width] if map_last else [batch, width, places, places]
        outputs = [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, shape)]
    for added, described in more:
        nodes += added
        outputs.append(described)
    shape = [batch, side, side, bands] if channels_last else [batch, bands, side, side]
    graph = helper.make_graph(
        nodes,
        "stranger",
        [helper.make_tensor_value_info(INPUT, kind, shape)],
        outputs,
        [numpy_helper.from_array(weight, "weight")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def write_stranger(path: Path, *, data: str | None = None, **options: Any) -> Path:
    """Write `stranger` to a file. data: name of the file beside it that holds its weights; None to keep them in the graph."""
    model = stranger(**options)
    path.parent.mkdir(parents=True, exist_ok=True)
    if data is not None:
        convert_model_to_external_data(model, location=data, size_threshold=0)
    onnx.save_model(model, path)
    return path
