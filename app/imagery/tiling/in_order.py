"""Runs work in threads, a little ahead of its consumer, and gives the results in the order of the work."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def run_in_order(work: Iterable[Callable[[], T]], threads: int, ahead: int) -> Iterator[T]:
    """Results in the order of `work`, which is iterated in the thread of the caller.

    threads: number of threads; with 1, or nothing ahead, the caller's thread does everything. ahead: number of results and
    started calls that wait, at most. Raises what a call raises, in its turn; what `work` itself raises, at once.
    """
    if threads < 2 or ahead < 1:
        for call in work:
            yield call()
        return
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(threads, "dyad-cut") as pool:
        try:
            for call in work:
                waiting.append(pool.submit(call))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()
