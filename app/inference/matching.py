"""A bundle's matcher on ONNX Runtime: `query_half.onnx` and `tail.onnx`. `models.bundle.graphs` describes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from app.errors import InvalidBundle
from app.inference.arrays import check_pair_features
from app.inference.bundles import as_invalid_bundle
from app.inference.supervised_runs import run_session
from models.bundle.card import MatcherCard, ModelCard
from models.bundle.files import QUERY_FEATURES_FILE, TAIL_FILE
from models.bundle.graphs import CANDIDATE_PLACES, CANDIDATES, LOGITS, MAP, QUERY, QUERY_PLACES, check_matcher, has_places
from models.bundle.sessions import ORT_ERRORS, one_line, open_session


class OnnxMatcher:
    """Scores pairs. Thread-safe.

    folder: the bundle. card: its card, which has the matcher `matcher`. threads: of ONNX Runtime for one run.

    Raises:
        InvalidBundle: a graph does not match the card.
    """

    def __init__(self, folder: Path, card: ModelCard, matcher: MatcherCard, threads: int) -> None:
        self._card = card
        self._matcher = matcher
        with as_invalid_bundle():
            self._query = open_session(folder / QUERY_FEATURES_FILE, threads, model=card.id)
            self._tail = open_session(folder / TAIL_FILE, threads, model=card.id)
            check_matcher(self._query, self._tail, card, matcher)

    def query_features(self, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, C, h, w) maps of queries, the encoder's output `map`, to (N, P) float32 query features."""
        (features,) = self._run(self._query, [QUERY], {MAP: maps})
        return self._finite(features, (len(maps), self._matcher.pair_dimension), QUERY_FEATURES_FILE)

    def log_odds(self, query: NDArray[np.float32], candidates: NDArray[np.uint8]) -> NDArray[np.float32]:
        """One query's (P,) features against those of (M, P) candidates, M >= 0, in one run: (M,) float32 log-odds, finite.

        Raises:
            ModelMismatch: features of another length. InvalidBundle: the graph fails on them.
        """
        (logits,) = self._compare(query, candidates, {LOGITS: 2})
        return logits[:, 1] - logits[:, 0]

    def places(
        self, query: NDArray[np.float32], candidates: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        """How well each place of the query, and of the candidates, is matched: (M, h, w) float32 in 0..1 each; None if the
        matcher does not compare places. The arguments and errors are those of `log_odds`.
        """
        if not has_places(self._tail):
            return None
        _, height, width = self._matcher.map_shape
        found = self._compare(query, candidates, dict.fromkeys((QUERY_PLACES, CANDIDATE_PLACES), height * width))
        ours, theirs = (each.clip(0, 1).reshape(-1, height, width) for each in found)
        return ours, theirs

    def _compare(
        self, query: NDArray[np.float32], candidates: NDArray[np.uint8], widths: Mapping[str, int]
    ) -> list[NDArray[np.float32]]:
        """Run the tail unless M is 0: (M, width) float32, finite, of each output. widths: by output."""
        check_pair_features(self._card, self._matcher, query, candidates)
        count = len(candidates)
        if count == 0:
            return [np.zeros((0, width), np.float32) for width in widths.values()]
        inputs: dict[str, NDArray[np.generic]] = {
            QUERY: query[np.newaxis].astype(np.float32, copy=False),
            CANDIDATES: candidates,
        }
        found = self._run(self._tail, list(widths), inputs)
        pairs = zip(found, widths.values(), strict=True)
        return [self._finite(each, (count, width), TAIL_FILE) for each, width in pairs]

    def _run(
        self, session: ort.InferenceSession, outputs: list[str], inputs: dict[str, NDArray[np.generic]]
    ) -> list[NDArray[np.float32]]:
        try:
            found = run_session(session, outputs, inputs, model=self._card.id)
        except ORT_ERRORS as error:
            raise InvalidBundle(
                f"model {self._card.id!r}: its matcher fails on inputs that match its card: {one_line(error)}"
            ) from error
        return [np.asarray(each, dtype=np.float32) for each in found]

    def _finite(self, found: NDArray[np.float32], shape: tuple[int, int], graph: str) -> NDArray[np.float32]:
        if found.shape != shape:
            raise InvalidBundle(f"model {self._card.id!r}: {graph} returned shape {found.shape} instead of {shape}")
        if not np.isfinite(found).all():
            raise InvalidBundle(f"model {self._card.id!r}: {graph} returned numbers that are not finite")
        return found
