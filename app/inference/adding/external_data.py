"""External data of an ONNX graph: tensors in files beside it, such as `model.onnx.data`. They are collected in one file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import onnx
from onnx import TensorProto

from app.errors import InvalidBundle
from models.bundle.files import ENCODER_DATA_FILE
from models.bundle.verify import MAX_FILE_BYTES

_ALIGNMENT = 4096
_CHUNK = 1 << 20


def collect_external_data(model: onnx.ModelProto, source: Path, folder: Path) -> None:
    """Copy all external tensors of `model` to `encoder.onnx.data` in `folder`, and make the model refer to that file.

    source: the file of the model. Nothing is written for a model without external data.

    Raises:
        InvalidBundle: a data file is missing, too short, or outside the folder of the model; or the tensors are too large.
    """
    tensors = [each for each in _tensors(model.graph) if each.data_location == TensorProto.EXTERNAL]
    tensors += [each for function in model.functions for each in _node_tensors(function.node) if _is_external(each)]
    if not tensors:
        return
    with (folder / ENCODER_DATA_FILE).open("wb") as target:
        places: dict[tuple[Path, int, int], int] = {}
        for tensor in tensors:
            piece = _piece(tensor, source)
            if piece not in places:
                places[piece] = _copy(piece, target, source)
            _refer(tensor, places[piece], piece[2])


def _is_external(tensor: TensorProto) -> bool:
    return tensor.data_location == TensorProto.EXTERNAL


def _tensors(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    """All tensors of a graph and its subgraphs."""
    yield from graph.initializer
    yield from (part for sparse in graph.sparse_initializer for part in (sparse.values, sparse.indices))
    yield from _node_tensors(graph.node)


def _node_tensors(nodes: Iterator[onnx.NodeProto] | list[onnx.NodeProto]) -> Iterator[TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for graph in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from _tensors(graph)


def _piece(tensor: TensorProto, source: Path) -> tuple[Path, int, int]:
    """File, offset and length of an external tensor; the file is inside the model's folder."""
    fields = {each.key: each.value for each in tensor.external_data}
    location = fields.get("location", "")
    relative = PurePosixPath(location.replace("\\", "/"))
    root = source.parent.resolve()
    path = (source.parent / relative).resolve()
    if not location or relative.is_absolute() or ".." in relative.parts or not path.is_relative_to(root):
        raise InvalidBundle(
            f"{source.name}: tensor {tensor.name!r} is stored in {location!r}, outside the folder of the model; copy the file "
            "into that folder and export the model with a path relative to it"
        )
    if not path.is_file():
        raise InvalidBundle(
            f"{source.name}: its data file {location!r} is missing; copy it into the model's folder, {str(source.parent)!r}"
        )
    size = path.stat().st_size
    try:
        offset = int(fields.get("offset", "0"))
        length = int(fields.get("length", str(size - offset)))
    except ValueError:
        raise InvalidBundle(f"{source.name}: tensor {tensor.name!r} has an invalid offset or length") from None
    if not 0 <= offset <= offset + length <= size:
        raise InvalidBundle(
            f"{source.name}: the data file {location!r} has {size} bytes, but tensor {tensor.name!r} needs bytes {offset} to "
            f"{offset + length}; copy the file again"
        )
    return path, offset, length


def _copy(piece: tuple[Path, int, int], target: BinaryIO, source: Path) -> int:
    """Append bytes of a file at an aligned position, which is returned."""
    path, offset, length = piece
    start = -(-target.tell() // _ALIGNMENT) * _ALIGNMENT
    if start + length > MAX_FILE_BYTES:
        raise InvalidBundle(f"{source.name}: its data has more than {MAX_FILE_BYTES} bytes, the limit of a file of a bundle")
    target.write(bytes(start - target.tell()))
    with path.open("rb") as file:
        file.seek(offset)
        while length > 0 and (chunk := file.read(min(length, _CHUNK))):
            target.write(chunk)
            length -= len(chunk)
    return start


def _refer(tensor: TensorProto, offset: int, length: int) -> None:
    tensor.ClearField("external_data")
    for key, value in (("location", ENCODER_DATA_FILE), ("offset", offset), ("length", length)):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, str(value)
