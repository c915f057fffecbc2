"""Read and replace the head in an encoder's ONNX graph: the matrix and the normalisation behind `feature`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.bundle.head_nodes import EMBEDDING, FEATURE, append_head
from models.heads.errors import HeadError
from models.heads.linear_head import Head

_OLD = "embedding_of_the_base"


def head_of(model: onnx.ModelProto, folder: Path | None = None) -> Head:
    """The head of an encoder's graph: the matrix that projects `feature` to `embedding`. folder: of its external data.

    Raises:
        HeadError: `embedding` is not `feature` through a `Gemm` with constant weights, as in every bundle of `dyad train`.
    """
    constants = {each.name: each for each in model.graph.initializer}
    sources = {FEATURE, *(node.output[0] for node in model.graph.node if node.op_type == "Cast" and FEATURE in node.input)}
    needed = _values_behind(model.graph, [EMBEDDING])
    for node in model.graph.node:
        takes = list(node.input)
        is_head = node.op_type == "Gemm" and node.output[0] in needed and len(takes) == 3 and takes[0] in sources
        if is_head and takes[1] in constants and takes[2] in constants:
            matrix, offset = (numpy_helper.to_array(constants[name], str(folder or "")) for name in takes[1:])
            return _read_gemm(node, matrix, offset)
    raise HeadError(
        "the model's embedding is not a linear projection of its feature; add its encoder with `dyad models add`, re-index with"
        " that model, and train again"
    )


def with_head(model: onnx.ModelProto, head: Head) -> onnx.ModelProto:
    """A copy whose `embedding` is `feature` through `head`, L2-normalised, both in float32; unused nodes are removed.

    Raises:
        HeadError: the graph has no `feature`, or its width differs from the head's.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    outputs = {each.name: each for each in graph.output}
    if FEATURE not in outputs or EMBEDDING not in outputs:
        raise HeadError(
            f"the outputs of the model's graph are {', '.join(sorted(outputs))}; {FEATURE!r} and {EMBEDDING!r} are needed"
        )
    width = outputs[FEATURE].type.tensor_type.shape.dim[-1].dim_value
    if width != head.feature_dimension:
        raise HeadError(f"the head takes features of dimension {head.feature_dimension}; the model's have {width}")
    _rename(graph, EMBEDDING, _OLD)
    _drop_unused(graph)  # before the new head is added: the old one may use the same names
    is_half = outputs[FEATURE].type.tensor_type.elem_type == TensorProto.FLOAT16
    source = "feature_float32" if is_half else FEATURE
    if is_half:
        graph.node.append(helper.make_node("Cast", [FEATURE], [source], to=TensorProto.FLOAT))
    append_head(graph, head.weight, head.bias, source)
    outputs[EMBEDDING].type.tensor_type.shape.dim[1].dim_value = head.dimension
    return changed


def _read_gemm(node: onnx.NodeProto, matrix: NDArray[Any], offset: NDArray[Any]) -> Head:
    """Y = alpha X B (or its transpose) + beta C, with C one row for all."""
    given = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    weight = given.get("alpha", 1.0) * (matrix if given.get("transB", 0) else matrix.T).astype(np.float32)
    bias = given.get("beta", 1.0) * offset.astype(np.float32).ravel()
    return Head(np.ascontiguousarray(weight, dtype=np.float32), np.broadcast_to(bias, len(weight)).astype(np.float32))


def _rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Rename a value in the inputs and outputs of all nodes."""
    for node in graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name == old:
                    names[place] = new


def _values_behind(graph: onnx.GraphProto, wanted: Iterable[str]) -> set[str]:
    """Names of all values that some outputs depend on, including these; nodes are in topological order."""
    needed = set(wanted)
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(_used_by(node))
    return needed


def _used_by(node: onnx.NodeProto) -> Iterator[str]:
    """Names of the values that a node and its subgraphs use."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
            yield from (each.name for each in graph.output)
            for inner in graph.node:
                yield from _used_by(inner)


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Remove nodes and constants that no output depends on."""
    needed = _values_behind(graph, [each.name for each in graph.output])
    nodes = [node for node in graph.node if needed.intersection(node.output)]
    constants = [each for each in graph.initializer if each.name in needed]
    known = [each for each in graph.value_info if each.name in needed and each.name != EMBEDDING]
    for field, kept in (("node", nodes), ("initializer", constants), ("value_info", known)):
        graph.ClearField(field)
        getattr(graph, field).extend(kept)
