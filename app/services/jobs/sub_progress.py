"""Job contexts for parts of a job: one that scales the part's progress, one that drops it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from typing_extensions import override

from app.domain.jobs import Job
from app.ports import JobContext

MIN_GAIN = 1.0
"""Percent by which a run must pass the progress of the run before it to count as progress."""


class WithoutProgress:
    """The `JobContext` of a part of a job whose progress is not published; everything else goes to the job's own context."""

    def __init__(self, whole: JobContext) -> None:
        self._whole = whole

    @property
    def job(self) -> Job:
        """The whole job."""
        return self._whole.job

    def progress(self, percent: float, message: str = "", counts: Mapping[str, int] | None = None) -> None:
        """Drop the progress."""

    def add_items(self, item_ids: Sequence[str]) -> None:
        """See `JobContext`."""
        self._whole.add_items(item_ids)

    def mark_progress(self) -> None:
        """See `JobContext`."""
        self._whole.mark_progress()

    def check(self) -> None:
        """See `JobContext`."""
        self._whole.check()


class SubProgress(WithoutProgress):
    """The `JobContext` of a part of a job: its 0 to 100 percent are published as `start` to `end` percent of the job."""

    def __init__(self, whole: JobContext, start: float, end: float) -> None:
        super().__init__(whole)
        self._start = start
        self._end = end

    @override
    def progress(self, percent: float, message: str = "", counts: Mapping[str, int] | None = None) -> None:
        """Publish the scaled progress, and mark progress where it exceeds that of an earlier run by more than `MIN_GAIN`."""
        whole = self._start + (self._end - self._start) * min(max(percent, 0.0), 100.0) / 100
        self._whole.progress(whole, message, counts)
        if whole > self.job.progress + MIN_GAIN:
            self._whole.mark_progress()
