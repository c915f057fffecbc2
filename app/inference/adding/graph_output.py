"""The output of an added encoder: chosen, pooled to one vector per tile, and connected to `feature` and `embedding`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from app.errors import InvalidBundle
from app.inference.adding.request import EncoderRequest
from models.bundle.head_nodes import EMBEDDING, FEATURE, append_head

MIN_WIDTH, MAX_WIDTH = 2, 4096
"""Limits of the embedding's length: the head of a model is a square matrix of this size."""
_AXES = {2: "vector", 3: "tokens", 4: "map"}


def choose_output(found: Mapping[str, NDArray[Any]], request: EncoderRequest) -> str:
    """Name of the output to use.

    found: the arrays that the graph computed, by name, one row per tile.

    Raises:
        InvalidBundle: no output fits, several do, or the requested one does not.
    """
    fitting = {name: array for name, array in found.items() if array.ndim in _AXES and array.dtype.kind == "f"}
    if request.output is not None:
        if request.output not in fitting:
            raise InvalidBundle(f"--output {request.output!r} cannot be used; choose one of {_named(fitting)}")
        return request.output
    vectors = [name for name, array in fitting.items() if array.ndim == 2]
    names = vectors or list(fitting)
    if len(names) == 1:
        return names[0]
    if not names:
        raise InvalidBundle(
            f"no output of the encoder can be used: they are {_named(found)}; one must be a vector (N, D), tokens (N, T, C) or "
            "a map (N, C, h, w) of floating-point numbers for each tile"
        )
    raise InvalidBundle(f"the encoder has several outputs that can be used: {_named(fitting)}; choose one with --output")


def is_map_channels_last(shape: tuple[int, ...], *, is_input: bool) -> bool:
    """Whether a map is (N, h, w, C). Maps of square tiles are square; if a shape does not tell, the order of the input decides.

    is_input: whether the input has the channels last.
    """
    if len(shape) != 4 or (shape[1] == shape[2]) == (shape[2] == shape[3]):
        return is_input
    return shape[1] == shape[2]


def pooled(array: NDArray[Any], request: EncoderRequest, *, is_channels_last: bool) -> NDArray[np.float64]:
    """(N, F): what the nodes of `connect_output` compute from an output."""
    values = array.astype(np.float64)
    if values.ndim == 3:
        return values[:, 0] if request.pooling == "cls" else np.asarray(values.mean(axis=1))
    if values.ndim == 4:
        if request.pooling == "cls":
            raise InvalidBundle("--pooling cls takes the first of tokens (N, T, C), but the output is a map; leave it out")
        return np.asarray(values.mean(axis=(1, 2) if is_channels_last else (2, 3)))
    return values


def check_features(features: NDArray[np.float64], output: str) -> None:
    """Check the vectors of different tiles, (N, F).

    Raises:
        InvalidBundle: their length is out of range, they are not finite, or they do not depend on the tile.
    """
    width = features.shape[1]
    if not MIN_WIDTH <= width <= MAX_WIDTH:
        raise InvalidBundle(
            f"output {output!r} gives {width} numbers per tile; {MIN_WIDTH} to {MAX_WIDTH} are accepted: export the encoder "
            "with a pooled output, or choose another one with --output"
        )
    if not np.isfinite(features).all():
        raise InvalidBundle(
            f"output {output!r} is not finite for a test tile; check --mean and --std, or export the encoder in float32"
        )
    scale = float(np.abs(features).max())
    if scale == 0 or float(np.abs(features - features[:1]).max()) <= 1e-6 * scale:
        raise InvalidBundle(
            f"output {output!r} is the same for different tiles; check --mean and --std, or choose another one with --output"
        )


def connect_output(
    model: onnx.ModelProto, output: str, array: NDArray[Any], request: EncoderRequest, *, is_channels_last: bool, scale: float
) -> None:
    """Replace the graph's outputs by `feature` and `embedding`.

    array: what the output computes. scale: factor of the feature, so that it fits float16. The embedding is the feature through
    a head that changes nothing until it is trained, L2-normalised.
    """
    graph = model.graph
    last = output

    def add(kind: str, *more: str, **attributes: Any) -> None:
        nonlocal last
        made = f"dyad.output.{len(graph.node)}"
        graph.node.append(helper.make_node(kind, [last, *more], [made], **attributes))
        last = made

    if array.dtype != np.float32:
        add("Cast", to=TensorProto.FLOAT)
    if array.ndim == 3 and request.pooling == "cls":
        graph.initializer.append(numpy_helper.from_array(np.array(0, np.int64), "dyad.first"))
        add("Gather", "dyad.first", axis=1)
    elif array.ndim > 2:
        if array.ndim == 3:
            add("Transpose", perm=[0, 2, 1])
        elif is_channels_last:
            add("Transpose", perm=[0, 3, 1, 2])
        add("GlobalAveragePool")
        add("Flatten", axis=1)
    graph.initializer.append(numpy_helper.from_array(np.array(scale, np.float32), "dyad.scale"))
    graph.node.append(helper.make_node("Mul", [last, "dyad.scale"], [FEATURE]))
    width = array.shape[-1] if array.ndim < 4 or is_channels_last else array.shape[1]
    append_head(graph, np.eye(width, dtype=np.float32), np.zeros(width, np.float32))
    batch = graph.input[0].type.tensor_type.shape.dim[0]
    rows = batch.dim_value or batch.dim_param
    graph.ClearField("output")
    for name in (EMBEDDING, FEATURE):
        graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows, width]))


def feature_scale(features: NDArray[np.float64]) -> float:
    """A power of two that brings the feature near 1, 1.0 if it is: stored features are float16, at most 65 504."""
    size = float(np.sqrt((features**2).mean()))
    exponent = round(np.log2(size))
    return 1.0 if abs(exponent) <= 6 else float(2.0**-exponent)


def _named(found: Mapping[str, NDArray[Any]]) -> str:
    return ", ".join(f"{name!r} ({', '.join(map(str, ('N', *array.shape[1:])))})" for name, array in found.items())
