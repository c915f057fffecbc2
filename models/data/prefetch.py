"""Prepare the next batches in a thread while the accelerator works on this one."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, Self, TypeVar

from models.data.batches import Batches

BatchT = TypeVar("BatchT")


class Prefetcher(Generic[BatchT]):
    """`Batches` that prepares the following batches in a thread; close it, or use it as a context manager."""

    def __init__(self, batches: Batches[BatchT], depth: int = 2) -> None:
        """depth: number of batches prepared in advance."""
        self._batches, self._depth = batches, depth
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._ready: dict[int, Future[BatchT]] = {}

    @property
    def steps_per_epoch(self) -> int:
        """That of the source."""
        return self._batches.steps_per_epoch

    def batch(self, step: int) -> BatchT:
        """Batch `step`; fast in ascending order, the same in any order."""
        for unwanted in [number for number in self._ready if not step <= number <= step + self._depth]:
            self._ready.pop(unwanted).cancel()
        for number in range(step, step + self._depth + 1):
            if number not in self._ready:
                self._ready[number] = self._pool.submit(self._batches.batch, number)
        return self._ready.pop(step).result()

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown(cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
