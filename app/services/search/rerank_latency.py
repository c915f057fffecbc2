"""Latency of each matcher on this machine, estimated from its runs, to choose how many candidates fit into a time budget."""

from __future__ import annotations

import threading
import time

import numpy as np

from app.ports import Inference
from models.bundle.card import MAX_DEPTH

MIN_DEPTH = 10
PRIME = 64
"""Pairs in each of the two runs of the first measurement; the second run is timed."""
NEWEST = 0.2
"""Weight of the newest run in the estimate."""


class RerankLatency:
    """Estimated milliseconds per pair, by model. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ms: dict[str, float] = {}

    def prime(self, model: Inference) -> None:
        """Measure a model with a matcher unless there is an estimate for it already."""
        with self._lock:
            if model.card.id in self._ms:
                return
        features = np.zeros(model.card.pair_dimension, np.float32)
        pairs = np.zeros((PRIME, model.card.pair_dimension), np.uint8)
        model.log_odds(features, pairs)  # the first run also allocates memory
        start = time.perf_counter()
        model.log_odds(features, pairs)
        self.note(model.card.id, PRIME, (time.perf_counter() - start) * 1000)

    def note(self, model_id: str, pairs: int, ms: float) -> None:
        """Update the estimate with a run over `pairs` pairs that took `ms` milliseconds."""
        if pairs <= 0:
            return
        with self._lock:
            known = self._ms.get(model_id)
            self._ms[model_id] = ms / pairs if known is None else known + NEWEST * (ms / pairs - known)

    def depth(self, model: Inference, budget_ms: float, examples: int) -> int:
        """How many candidates, each compared with `examples` examples, fit into the budget: 10 to 1000."""
        self.prime(model)
        with self._lock:
            each = self._ms[model.card.id] * examples
        return int(min(max(budget_ms / max(each, 1e-6), MIN_DEPTH), MAX_DEPTH))
