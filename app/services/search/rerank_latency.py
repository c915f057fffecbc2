"""How long a matcher takes on this machine, learned from its own runs, and so how many candidates fit into a time."""

from __future__ import annotations

import threading
import time

import numpy as np

from app.ports import Inference
from models.bundle.card import MAX_DEPTH

MIN_DEPTH = 10
PRIME = 64
"""Pairs of the two runs, the second of them timed, with which a model's latency is first measured."""
NEWEST = 0.2
"""The share of the newest run in the estimate."""


class RerankLatency:
    """Milliseconds a pair, by model. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ms: dict[str, float] = {}

    def prime(self, model: Inference) -> None:
        """Measure a model with a matcher that has not run yet; others are left as they are."""
        with self._lock:
            if model.card.id in self._ms:
                return
        half = np.zeros(model.card.pair_dimension, np.float32)
        pairs = np.zeros((PRIME, model.card.pair_dimension), np.uint8)
        model.log_odds(half, pairs)  # the first run also makes room for the next ones
        start = time.perf_counter()
        model.log_odds(half, pairs)
        self.note(model.card.id, PRIME, (time.perf_counter() - start) * 1000)

    def note(self, model_id: str, pairs: int, ms: float) -> None:
        """Learn from a run over some pairs."""
        if pairs <= 0:
            return
        with self._lock:
            known = self._ms.get(model_id)
            self._ms[model_id] = ms / pairs if known is None else known + NEWEST * (ms / pairs - known)

    def depth(self, model: Inference, budget_ms: float, examples: int) -> int:
        """How many candidates fit, each compared with so many examples: 10 to 1000."""
        self.prime(model)
        with self._lock:
            each = self._ms[model.card.id] * examples
        return int(min(max(budget_ms / max(each, 1e-6), MIN_DEPTH), MAX_DEPTH))
