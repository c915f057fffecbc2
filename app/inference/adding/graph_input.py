"""The input of an added encoder: found, checked against the stated facts, and connected to `tiles`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from app.errors import InvalidBundle
from app.inference.adding.graph_values import free_inputs
from app.inference.adding.request import EncoderRequest
from models.bundle.graphs import INPUT

_TYPES = {
    TensorProto.FLOAT: "float32",
    TensorProto.FLOAT16: "float16",
    TensorProto.DOUBLE: "float64",
    TensorProto.UINT8: "uint8",
}


@dataclass(frozen=True, slots=True)
class GraphInput:
    """The image input of a graph. size: height and width. batch: fixed number of tiles, None if it is free.

    is_channels_last: (N, H, W, B) instead of (N, B, H, W).
    """

    name: str
    kind: int
    size: int
    batch: int | None
    is_channels_last: bool

    @property
    def is_bytes(self) -> bool:
        """Whether the graph takes uint8 values and normalises them itself."""
        return self.kind == TensorProto.UINT8


def find_input(model: onnx.ModelProto, request: EncoderRequest) -> GraphInput:
    """The input that takes the image.

    Raises:
        InvalidBundle: there is not exactly one input, it does not take images, or it contradicts the request.
    """
    inputs = free_inputs(model)
    if len(inputs) != 1:
        names = ", ".join(repr(each.name) for each in inputs) or "none"
        raise InvalidBundle(f"the graph's inputs are {names}; an encoder has one, the image: export only the image encoder")
    name, tensor = inputs[0].name, inputs[0].type.tensor_type
    if tensor.elem_type not in _TYPES:
        kind = TensorProto.DataType.Name(tensor.elem_type).lower()
        raise InvalidBundle(f"input {name!r} is {kind}; an image is {', '.join(_TYPES.values())}")
    shape = [each.dim_value if each.dim_value > 0 else None for each in tensor.shape.dim]
    if len(shape) != 4:
        raise InvalidBundle(f"input {name!r} has {len(shape)} axes; an encoder takes images (N, B, H, W) or (N, H, W, B)")
    is_last = _is_channels_last(name, shape, len(request.bands))
    size = _size(name, shape[1:3] if is_last else shape[2:], request.size)
    found = GraphInput(name, tensor.elem_type, size, shape[0], is_last)
    if found.is_bytes and (request.mean or request.std):
        raise InvalidBundle(f"input {name!r} is uint8, so the graph normalises the values itself; leave out --mean and --std")
    return found


def connect_input(model: onnx.ModelProto, found: GraphInput, value: str, bands: int) -> None:
    """Replace the graph's input by `tiles` (N, B, S, S) float32, and convert `tiles` to it. value: its name in the graph."""
    graph = model.graph
    nodes: list[onnx.NodeProto] = []
    last = INPUT

    def add(kind: str, *more: str, **attributes: Any) -> None:
        nonlocal last
        made = f"dyad.input.{len(nodes)}"
        nodes.append(helper.make_node(kind, [last, *more], [made], **attributes))
        last = made

    if found.is_bytes:
        graph.initializer.append(numpy_helper.from_array(np.array(255, np.float32), "dyad.255"))
        graph.initializer.append(numpy_helper.from_array(np.array(0.5, np.float32), "dyad.half"))
        add("Mul", "dyad.255")
        add("Add", "dyad.half")
    if found.kind != TensorProto.FLOAT:
        add("Cast", to=found.kind)
    if found.is_channels_last:
        add("Transpose", perm=[0, 2, 3, 1])
    nodes.append(helper.make_node("Identity", [last], [value]))
    kept = [each for each in graph.input if each.name != value]
    old = list(graph.node)
    graph.ClearField("input")
    shape = ["N" if found.batch is None else found.batch, bands, found.size, found.size]
    graph.input.append(helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, shape))
    graph.input.extend(kept)
    graph.ClearField("node")
    graph.node.extend([*nodes, *old])


def _is_channels_last(name: str, shape: list[int | None], bands: int) -> bool:
    if shape[1] in (None, bands):
        return shape[1] is None and shape[3] == bands and shape[2] != bands
    if shape[3] == bands:
        return True
    axes = ", ".join("any" if each is None else str(each) for each in shape)
    raise InvalidBundle(
        f"input {name!r} has shape ({axes}), but --bands names {bands}; name as many bands as the encoder takes, in its order"
    )


def _size(name: str, sides: list[int | None], stated: int | None) -> int:
    fixed = {side for side in sides if side is not None}
    if len(fixed) > 1:
        raise InvalidBundle(f"input {name!r} is {sides[0]} x {sides[1]} pixels; tiles are square: export it for a square input")
    if not fixed and stated is None:
        raise InvalidBundle(f"input {name!r} takes any height and width; state the size of its tiles with --size")
    if fixed and stated is not None and fixed != {stated}:
        raise InvalidBundle(f"input {name!r} takes {fixed.pop()} pixels, but --size is {stated}; leave out --size")
    return fixed.pop() if fixed else int(stated or 0)
