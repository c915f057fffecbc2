"""A part of a job that reports its own progress from 0 to 100 percent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.domain.jobs import Job
from app.ports import JobContext

FURTHER = 1.0
"""Percent: what is more than chance, where a run ends wherever its process is killed."""


class SubProgress:
    """The `JobContext` of the part of a job between two percentages of the whole."""

    def __init__(self, whole: JobContext, start: float, end: float) -> None:
        self._whole = whole
        self._start = start
        self._end = end

    @property
    def job(self) -> Job:
        """The whole job."""
        return self._whole.job

    def progress(self, percent: float, message: str = "", counts: Mapping[str, int] | None = None) -> None:
        """Publish the part's progress as the whole's; one further than where an earlier run of the job ended gets on."""
        whole = self._start + (self._end - self._start) * min(max(percent, 0.0), 100.0) / 100
        self._whole.progress(whole, message, counts)
        if whole > self.job.progress + FURTHER:
            self._whole.mark_progress()

    def add_items(self, item_ids: Sequence[str]) -> None:
        """As of the whole job."""
        self._whole.add_items(item_ids)

    def mark_progress(self) -> None:
        """As of the whole job."""
        self._whole.mark_progress()

    def check(self) -> None:
        """As of the whole job."""
        self._whole.check()
