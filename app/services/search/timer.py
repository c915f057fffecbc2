"""Time measurement of the stages of a search."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from app.telemetry.metrics import STAGE_SECONDS
from app.telemetry.tracing import span


class Timer:
    """Measures the time of each stage of one search."""

    STAGES = ("decode", "embed", "search", "rerank")

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._spent = dict.fromkeys(self.STAGES, 0.0)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the block to a stage."""
        start = time.perf_counter()
        try:
            with span(f"search.{name}"):
                yield
        finally:
            self._spent[name] += time.perf_counter() - start

    def publish(self) -> None:
        """Record the times in the metrics; call once per search."""
        for name, seconds in self._spent.items():
            STAGE_SECONDS.labels(name).observe(seconds)

    def totals(self) -> dict[str, float]:
        """All stages and `total`, in milliseconds."""
        spent = {**self._spent, "total": time.perf_counter() - self._start}
        return {name: round(seconds * 1000, 3) for name, seconds in spent.items()}
