"""A job's context for tests of what runs in one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from app.domain.jobs import new_job


class Context:
    """A `JobContext` that remembers what was published. stop: called where the job checks whether it should stop."""

    def __init__(self, stop: Callable[[], None] = lambda: None) -> None:
        self.job = new_job("train", None, {}, job_id="1")
        self.published: list[tuple[float, str, Mapping[str, int] | None]] = []
        self.items: list[str] = []
        self.has_got_on = False
        self.check = stop

    def progress(self, percent: float, message: str = "", counts: Mapping[str, int] | None = None) -> None:
        self.published.append((percent, message, counts))

    def add_items(self, item_ids: Sequence[str]) -> None:
        self.items += item_ids

    def mark_progress(self) -> None:
        self.has_got_on = True
