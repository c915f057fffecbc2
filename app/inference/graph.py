"""The contract between a bundle's card and its ONNX graph.

One input `tiles`: (N, B, S, S) float32, normalised as the card says. Outputs, by name:

- `embedding`: (N, D) float32, required.
- `feature`: (N, F) float32 or float16, exactly where the card's `feature_dimension` F is above 0.
- `pair`: (N, P) uint8, exactly where the card's `pair_dimension` P is above 0.
- `map`: (N, C, h, w) float32, where the card has a matcher, with its `map_shape`.

Other outputs are left alone. N is dynamic or fixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnxruntime as ort

from app.domain.cards import ModelCard
from app.errors import InvalidBundle

INPUT = "tiles"
MAP = "map"


def output_dimensions(card: ModelCard) -> dict[str, int]:
    """The outputs that the card promises and their widths."""
    widths = {"embedding": card.dimension, "feature": card.feature_dimension, "pair": card.pair_dimension}
    return {name: width for name, width in widths.items() if width > 0}


def check_graph(session: ort.InferenceSession, card: ModelCard) -> int | None:
    """Compare inputs and outputs with the card; returns the fixed batch size, or None if it is dynamic.

    Raises:
        InvalidBundle: they differ; the message says where.
    """
    batch = _check_input(session.get_inputs(), card)
    _check_outputs(session.get_outputs(), card)
    if card.matcher is not None:
        check_node(card, "the encoder", session.get_outputs(), MAP, "tensor(float)", (None, *card.matcher.map_shape))
    return batch


def check_node(card: ModelCard, graph: str, nodes: Sequence[Any], name: str, type: str, shape: Sequence[int | None]) -> None:
    """Find an input or output by its name and compare it. shape: None where any size will do.

    Raises:
        InvalidBundle: it is not there, or differs.
    """
    node = next((node for node in nodes if node.name == name), None)
    if node is None:
        raise InvalidBundle(f"model {card.id!r}: {graph} has no {name!r}; it has {sorted(node.name for node in nodes)}")
    fits = len(node.shape) == len(shape) and _fits(
        [size for size, want in zip(node.shape, shape, strict=True) if want is not None],
        [want for want in shape if want is not None],
    )
    if node.type != type or not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise InvalidBundle(f"model {card.id!r}: {name!r} of {graph} is {node.type} {node.shape}, not {type} ({wanted})")


def _check_input(inputs: Sequence[Any], card: ModelCard) -> int | None:
    names = [node.name for node in inputs]
    if names != [INPUT]:
        raise InvalidBundle(f"model {card.id!r}: the graph's inputs are {names}; it must have one, {INPUT!r}")
    node = inputs[0]
    wanted = (len(card.bands), card.input_size, card.input_size)
    if node.type != "tensor(float)":
        raise InvalidBundle(f"model {card.id!r}: input {INPUT!r} is {node.type}, not tensor(float)")
    if len(node.shape) != 4 or not _fits(node.shape[1:], wanted):
        raise InvalidBundle(
            f"model {card.id!r}: input {INPUT!r} has shape {node.shape}, but the card says (N, B, S, S) {wanted}"
        )
    batch = node.shape[0]
    return batch if isinstance(batch, int) and batch > 0 else None


def _check_outputs(outputs: Sequence[Any], card: ModelCard) -> None:
    types = {"embedding": ("float",), "feature": ("float", "float16"), "pair": ("uint8",)}
    nodes = {node.name: node for node in outputs}
    promised = output_dimensions(card)
    for name, allowed in types.items():
        if name not in promised:
            if name in nodes:
                raise InvalidBundle(
                    f"model {card.id!r}: the graph has an output {name!r}, but the card's {name}_dimension is 0"
                )
            continue
        if name not in nodes:
            raise InvalidBundle(f"model {card.id!r}: the graph has no output {name!r}; its outputs are {sorted(nodes)}")
        node, width = nodes[name], promised[name]
        if node.type not in {f"tensor({kind})" for kind in allowed}:
            raise InvalidBundle(f"model {card.id!r}: output {name!r} is {node.type}, not {' or '.join(allowed)}")
        if len(node.shape) != 2 or not _fits(node.shape[1:], (width,)):
            raise InvalidBundle(
                f"model {card.id!r}: output {name!r} has shape {node.shape}, but the card says (N, {promised[name]})"
            )


def _fits(shape: Sequence[Any], wanted: Sequence[int]) -> bool:
    """Whether every dimension is the wanted one or dynamic (a name or None); both are equally long."""
    return all(not isinstance(size, int) or size == want for size, want in zip(shape, wanted, strict=True))
