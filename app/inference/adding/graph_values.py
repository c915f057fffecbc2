"""Reading and renaming of the values of an ONNX graph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
from onnx import helper

from app.errors import InvalidBundle

_KNOWN_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc", "com.ms.internal.nhwc")
_OPSET = 17
"""Operator set for a graph that uses no standard operator."""


def read_graph(path: Path) -> onnx.ModelProto:
    """The model in a file, without its external data.

    Raises:
        InvalidBundle: the file cannot be read, or is not an ONNX model.
    """
    try:
        model = onnx.load(path, load_external_data=False)
    except OSError as error:
        raise InvalidBundle(f"{path.name}: cannot be read ({error.strerror})") from None
    except Exception:  # noqa: BLE001 - protobuf's errors; any of them means that it is not a model
        model = onnx.ModelProto()
    if not model.graph.node or not model.graph.output:
        raise InvalidBundle(
            f"{path.name}: not an ONNX model; pass a file that torch.onnx.export, optimum-cli or another ONNX exporter wrote"
        )
    if all(each.domain not in ("", "ai.onnx") for each in model.opset_import):
        model.opset_import.append(helper.make_opsetid("", _OPSET))
    return model


def custom_domains(model: onnx.ModelProto) -> list[str]:
    """Domains of operators that ONNX Runtime does not have, unless the model defines them itself."""
    own = {each.domain for each in model.functions}
    return sorted({each.domain for each in model.opset_import} - {*_KNOWN_DOMAINS, *own})


def free_inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The inputs that a caller has to pass: those without a default value."""
    constants = {each.name for each in model.graph.initializer}
    return [each for each in model.graph.input if each.name not in constants]


def rename_values(model: onnx.ModelProto, reserved: frozenset[str], prefix: str) -> None:
    """Rename the values of the graph and its subgraphs that have reserved names."""

    def renamed(name: str) -> str:
        return prefix + name if name in reserved else name

    _rename(model.graph, renamed)


def _rename(graph: onnx.GraphProto, renamed: Callable[[str], str]) -> None:
    for part in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.name = renamed(part.name)
    for sparse in graph.sparse_initializer:
        sparse.values.name = renamed(sparse.values.name)
    for note in graph.quantization_annotation:
        note.tensor_name = renamed(note.tensor_name)
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [renamed(name) for name in names]
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                _rename(inner, renamed)
