"""Jobs, with the statuses of OGC API Processes."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.domain.origin import carried
from app.domain.subscriber import addresses, states


class JobStatus(StrEnum):
    """Job statuses of OGC API Processes, table 18."""

    ACCEPTED = "accepted"
    RUNNING = "running"
    SUCCESSFUL = "successful"
    FAILED = "failed"
    DISMISSED = "dismissed"

    @property
    def ended(self) -> bool:
        """Whether this status is final."""
        return self in (JobStatus.SUCCESSFUL, JobStatus.FAILED, JobStatus.DISMISSED)


ACTIVE = (JobStatus.ACCEPTED, JobStatus.RUNNING)
"""The statuses of a job that has not ended."""


class Job(BaseModel):
    """One unit of background work.

    kind: name of the handler that runs it (`ingest`). collection: the collection it works on, None for service-wide jobs.
    progress: percent, 0 to 100. message: one line for people. counts: current numbers such as `indexed`.
    result: JSON of a successful job, without the item ids, which the job store keeps separately.
    attempts: how often it was started; more than 1 after a crash. origin: ids of the request and the trace that created it.
    subscriber: URLs to call, by the names of OGC. callbacks: by the same names `waiting`, `called`, or why it was not called.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    kind: str
    collection: str | None = None
    inputs: dict[str, Any] = Field(default_factory=dict)
    status: JobStatus = JobStatus.ACCEPTED
    progress: float = 0.0
    message: str = ""
    counts: dict[str, int] = Field(default_factory=dict)
    result: dict[str, Any] | None = None
    error: str | None = None
    attempts: int = 0
    origin: dict[str, str] = Field(default_factory=carried)
    subscriber: dict[str, str] = Field(default_factory=addresses)
    callbacks: dict[str, str] = Field(default_factory=states)
    created: datetime
    started: datetime | None = None
    finished: datetime | None = None
    updated: datetime


def new_job(
    kind: str,
    collection: str | None,
    inputs: Mapping[str, Any],
    *,
    job_id: str | None = None,
    created: datetime | None = None,
) -> Job:
    """Return an accepted job. job_id: a random UUID by default. created: aware, the current time by default."""
    now = created or datetime.now(UTC)
    return Job(id=job_id or str(uuid.uuid4()), kind=kind, collection=collection, inputs=dict(inputs), created=now, updated=now)


def next_in_turn(
    oldest: Iterable[tuple[str | None, int]], skip: Collection[str | None], served: Sequence[str | None]
) -> int | None:
    """The number of the job to run next; None if there is none.

    oldest: collection and number of the oldest waiting job of each collection. skip: collections that have to wait. served: the
    collections whose jobs ran before, the least recently served first; collections that are not among them go first.
    """
    place = {collection: number for number, collection in enumerate(served)}
    waiting = [(place.get(collection, -1), number) for collection, number in oldest if collection not in skip]
    return min(waiting)[1] if waiting else None


def result_counts(result: Mapping[str, Any]) -> dict[str, int]:
    """Return the integers of a job's result and the lengths of its lists.

    For a list `x` that was cut short, `x_count` holds the full length and is returned as `x`.
    """
    numbers = {key: value for key, value in result.items() if isinstance(value, int) and not isinstance(value, bool)}
    lengths = {key: numbers.pop(f"{key}_count", len(value)) for key, value in result.items() if isinstance(value, list)}
    return {**numbers, **lengths}
