"""The contract between a bundle's card and its ONNX graphs.

::

    encoder.onnx      tiles (N, B, S, S) float32, normalised by the card's `normalisation`
                      -> embedding (N, D) float32
                      -> feature (N, F) float32 or float16, exactly if the card's `feature_dimension` F is above 0
                      -> pair (N, P) uint8, exactly if the card's `pair_dimension` P is above 0: the candidate features
                      -> map (N, C, h, w) float32, if the card has a matcher
    query_half.onnx   map (N, C, h, w) float32 -> half (N, P) float32: the query features
    tail.onnx         half (1, P) float32, pair (M, P) uint8
                      -> logits (M, 2) float32: no match, match
                      -> query_places and candidate_places (M, h * w) float32, both or neither: how well each place of the map
                         is matched by the other tile, 0 to 1, row-major; needed for `explain` only

C, h, w are the matcher's `map_shape`. The encoder's N is dynamic or fixed, that of `query_half.onnx` and M are dynamic. Other
outputs are ignored.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnxruntime as ort

from models.bundle.card import MatcherCard, ModelCard
from models.bundle.errors import BundleError
from models.bundle.files import ENCODER_FILE, QUERY_FEATURES_FILE, TAIL_FILE
from models.bundle.sessions import open_session

INPUT, MAP = "tiles", "map"
QUERY, CANDIDATES, LOGITS = "half", "pair", "logits"
QUERY_PLACES, CANDIDATE_PLACES = "query_places", "candidate_places"
_FLOAT, _BYTES = "tensor(float)", "tensor(uint8)"


def output_dimensions(card: ModelCard) -> dict[str, int]:
    """Widths of the encoder's outputs that the card declares, by name."""
    widths = {"embedding": card.dimension, "feature": card.feature_dimension, "pair": card.pair_dimension}
    return {name: width for name, width in widths.items() if width > 0}


def check_graphs(folder: Path, card: ModelCard) -> None:
    """Compare all graphs of a bundle with its card. They are opened without optimisation, so they are not ready to run.

    Raises:
        BundleError: a graph cannot be opened or differs from the card.
    """
    check_encoder(open_session(folder / ENCODER_FILE, 1, model=card.id, optimise=False), card)
    if card.matcher is not None:
        query, tail = (
            open_session(folder / name, 1, model=card.id, optimise=False) for name in (QUERY_FEATURES_FILE, TAIL_FILE)
        )
        check_matcher(query, tail, card, card.matcher)


def check_encoder(session: ort.InferenceSession, card: ModelCard) -> int | None:
    """Compare inputs and outputs of `encoder.onnx` with the card; returns the fixed batch size, None if it is dynamic.

    Raises:
        BundleError: they differ; the message says where.
    """
    batch = _check_input(session.get_inputs(), card)
    _check_outputs(session.get_outputs(), card)
    if card.matcher is not None:
        _check_node(card, "the encoder", session.get_outputs(), MAP, _FLOAT, (None, *card.matcher.map_shape))
    return batch


def check_matcher(query: ort.InferenceSession, tail: ort.InferenceSession, card: ModelCard, matcher: MatcherCard) -> None:
    """Compare inputs and outputs of `query_half.onnx` and `tail.onnx` with the card, whose matcher is `matcher`.

    Raises:
        BundleError: they differ; the message says where.
    """
    dimension = matcher.pair_dimension
    for name, session, inputs in ((QUERY_FEATURES_FILE, query, {MAP}), (TAIL_FILE, tail, {QUERY, CANDIDATES})):
        found = {node.name for node in session.get_inputs()}
        if found != inputs:
            raise BundleError(f"model {card.id!r}: the inputs of {name} are {sorted(found)}, not {sorted(inputs)}")
    for name, session, input in ((QUERY_FEATURES_FILE, query, MAP), (TAIL_FILE, tail, CANDIDATES)):
        node = next(node for node in session.get_inputs() if node.name == input)
        if node.shape and isinstance(node.shape[0], int):
            raise BundleError(f"model {card.id!r}: {name} takes {node.shape[0]} rows of {input!r}; it must take any number")
    _check_node(card, QUERY_FEATURES_FILE, query.get_inputs(), MAP, _FLOAT, (None, *matcher.map_shape))
    _check_node(card, QUERY_FEATURES_FILE, query.get_outputs(), QUERY, _FLOAT, (None, dimension))
    _check_node(card, TAIL_FILE, tail.get_inputs(), QUERY, _FLOAT, (1, dimension))
    _check_node(card, TAIL_FILE, tail.get_inputs(), CANDIDATES, _BYTES, (None, dimension))
    _check_node(card, TAIL_FILE, tail.get_outputs(), LOGITS, _FLOAT, (None, 2))
    if has_places(tail):
        places = math.prod(matcher.map_shape[1:])
        for name in (QUERY_PLACES, CANDIDATE_PLACES):
            _check_node(card, TAIL_FILE, tail.get_outputs(), name, _FLOAT, (None, places))


def has_places(tail: ort.InferenceSession) -> bool:
    """Whether a `tail.onnx` has outputs that show where two tiles match."""
    return any(node.name in (QUERY_PLACES, CANDIDATE_PLACES) for node in tail.get_outputs())


def _check_node(card: ModelCard, graph: str, nodes: Sequence[Any], name: str, type: str, shape: Sequence[int | None]) -> None:
    """Compare an input or output, found by its name. shape: None for any size."""
    node = next((node for node in nodes if node.name == name), None)
    if node is None:
        raise BundleError(f"model {card.id!r}: {graph} has no {name!r}; it has {sorted(node.name for node in nodes)}")
    fits = len(node.shape) == len(shape) and _fits(
        [size for size, want in zip(node.shape, shape, strict=True) if want is not None],
        [want for want in shape if want is not None],
    )
    if node.type != type or not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise BundleError(f"model {card.id!r}: {name!r} of {graph} is {node.type} {node.shape}, not {type} ({wanted})")


def _check_input(inputs: Sequence[Any], card: ModelCard) -> int | None:
    names = [node.name for node in inputs]
    if names != [INPUT]:
        raise BundleError(f"model {card.id!r}: the graph's inputs are {names}; it must have one, {INPUT!r}")
    node = inputs[0]
    wanted = (len(card.bands), card.input_size, card.input_size)
    if node.type != _FLOAT:
        raise BundleError(f"model {card.id!r}: input {INPUT!r} is {node.type}, not tensor(float)")
    if len(node.shape) != 4 or not _fits(node.shape[1:], wanted):
        raise BundleError(f"model {card.id!r}: input {INPUT!r} has shape {node.shape}, but the card says (N, B, S, S) {wanted}")
    batch = node.shape[0]
    return batch if isinstance(batch, int) and batch > 0 else None


def _check_outputs(outputs: Sequence[Any], card: ModelCard) -> None:
    types = {"embedding": ("float",), "feature": ("float", "float16"), "pair": ("uint8",)}
    nodes = {node.name: node for node in outputs}
    promised = output_dimensions(card)
    for name, allowed in types.items():
        if name not in promised:
            if name in nodes:
                raise BundleError(f"model {card.id!r}: the graph has an output {name!r}, but the card's {name}_dimension is 0")
            continue
        if name not in nodes:
            raise BundleError(f"model {card.id!r}: the graph has no output {name!r}; its outputs are {sorted(nodes)}")
        node, width = nodes[name], promised[name]
        if node.type not in {f"tensor({kind})" for kind in allowed}:
            raise BundleError(f"model {card.id!r}: output {name!r} is {node.type}, not {' or '.join(allowed)}")
        if len(node.shape) != 2 or not _fits(node.shape[1:], (width,)):
            raise BundleError(
                f"model {card.id!r}: output {name!r} has shape {node.shape}, but the card says (N, {promised[name]})"
            )


def _fits(shape: Sequence[Any], wanted: Sequence[int]) -> bool:
    """Whether every dimension is the wanted one or dynamic (a name or None); both are equally long."""
    return all(not isinstance(size, int) or size == want for size, want in zip(shape, wanted, strict=True))
