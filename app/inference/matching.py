"""A bundle's matcher: `query_half.onnx` and `tail.onnx`.

::

    query_half.onnx   map (N, C, h, w) float32 -> half (N, P) float32
    tail.onnx         half (1, P) float32, pair (M, P) uint8 -> logits (M, 2) float32: no match, match

C, h, w are the card's `matcher.map_shape`, P its `pair_dimension`. N and M are dynamic.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from app.domain.cards import QUERY_HALF_FILE, TAIL_FILE, MatcherCard, ModelCard
from app.errors import InvalidBundle
from app.inference.arrays import check_halves
from app.inference.graph import MAP, check_node
from app.inference.sessions import ORT_ERRORS, one_line, open_session

HALF, PAIR, LOGITS = "half", "pair", "logits"
FLOAT, BYTES = "tensor(float)", "tensor(uint8)"


class OnnxMatcher:
    """Scores pairs. Thread-safe.

    folder: the bundle. card: its card, which has a matcher. threads: of ONNX Runtime for one run.

    Raises:
        InvalidBundle: a graph does not fit the card.
    """

    def __init__(self, folder: Path, card: ModelCard, matcher: MatcherCard, threads: int) -> None:
        self._card = card
        self._matcher = matcher
        self._query_half = open_session(folder / QUERY_HALF_FILE, card, threads)
        self._tail = open_session(folder / TAIL_FILE, card, threads)
        _check_graphs(self._query_half, self._tail, card, matcher)

    def halves(self, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, C, h, w) maps of queries, the encoder's output `map`, to (N, P) float32 query halves."""
        halves = self._run(self._query_half, HALF, {MAP: maps})
        return self._finite(halves, (len(maps), self._matcher.half_dimension), QUERY_HALF_FILE)

    def log_odds(self, half: NDArray[np.float32], pairs: NDArray[np.uint8]) -> NDArray[np.float32]:
        """One query's (P,) half against (M, P) candidates, M >= 0, in one run: (M,) float32 log-odds of a match, finite.

        Raises:
            ModelMismatch: halves of another length. InvalidBundle: the graph fails on them.
        """
        check_halves(self._card, self._matcher, half, pairs)
        if len(pairs) == 0:
            return np.zeros(0, np.float32)
        logits = self._run(self._tail, LOGITS, {HALF: half[np.newaxis].astype(np.float32, copy=False), PAIR: pairs})
        logits = self._finite(logits, (len(pairs), 2), TAIL_FILE)
        return logits[:, 1] - logits[:, 0]

    def _run(self, session: ort.InferenceSession, output: str, inputs: dict[str, NDArray[np.generic]]) -> NDArray[np.float32]:
        try:
            (found,) = session.run([output], inputs)
        except ORT_ERRORS as error:
            raise InvalidBundle(
                f"model {self._card.id!r}: its matcher fails on what fits its card: {one_line(error)}"
            ) from error
        return np.asarray(found, dtype=np.float32)

    def _finite(self, found: NDArray[np.float32], shape: tuple[int, int], graph: str) -> NDArray[np.float32]:
        if found.shape != shape or not np.isfinite(found).all():
            raise InvalidBundle(
                f"model {self._card.id!r}: {graph} gave {found.shape} where {shape} was asked, or numbers that are not finite"
            )
        return found


def check_matcher(folder: Path, card: ModelCard) -> None:
    """Compare the graphs of a bundle's matcher with its card, if it has one, without making them ready to run.

    Raises:
        InvalidBundle: they differ; the message says where.
    """
    if card.matcher is not None:
        half, tail = (open_session(folder / name, card, 1, optimise=False) for name in (QUERY_HALF_FILE, TAIL_FILE))
        _check_graphs(half, tail, card, card.matcher)


def _check_graphs(half: ort.InferenceSession, tail: ort.InferenceSession, card: ModelCard, matcher: MatcherCard) -> None:
    dimension = matcher.half_dimension
    for name, session, inputs in ((QUERY_HALF_FILE, half, {MAP}), (TAIL_FILE, tail, {HALF, PAIR})):
        found = {node.name for node in session.get_inputs()}
        if found != inputs:
            raise InvalidBundle(f"model {card.id!r}: the inputs of {name} are {sorted(found)}, not {sorted(inputs)}")
    for name, session, input in ((QUERY_HALF_FILE, half, MAP), (TAIL_FILE, tail, PAIR)):
        node = next(node for node in session.get_inputs() if node.name == input)
        if node.shape and isinstance(node.shape[0], int):
            raise InvalidBundle(f"model {card.id!r}: {name} takes {node.shape[0]} rows of {input!r}; it must take any number")
    check_node(card, QUERY_HALF_FILE, half.get_inputs(), MAP, FLOAT, (None, *matcher.map_shape))
    check_node(card, QUERY_HALF_FILE, half.get_outputs(), HALF, FLOAT, (None, dimension))
    check_node(card, TAIL_FILE, tail.get_inputs(), HALF, FLOAT, (1, dimension))
    check_node(card, TAIL_FILE, tail.get_inputs(), PAIR, BYTES, (None, dimension))
    check_node(card, TAIL_FILE, tail.get_outputs(), LOGITS, FLOAT, (None, 2))
