"""Jobs, with the statuses of OGC API Processes."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.domain.origin import carried


class JobStatus(StrEnum):
    """OGC API Processes, table 18."""

    ACCEPTED = "accepted"
    RUNNING = "running"
    SUCCESSFUL = "successful"
    FAILED = "failed"
    DISMISSED = "dismissed"

    @property
    def ended(self) -> bool:
        """Whether the job will never change again."""
        return self in (JobStatus.SUCCESSFUL, JobStatus.FAILED, JobStatus.DISMISSED)


ACTIVE = (JobStatus.ACCEPTED, JobStatus.RUNNING)
"""The statuses of a job that has not ended."""


class Job(BaseModel):
    """One unit of background work.

    kind: which handler runs it (`ingest`). collection: what it works on, None for service-wide jobs.
    progress: percent, 0 to 100. message: one line for a person. counts: live numbers such as `indexed`.
    result: JSON of a successful job, without the item ids, which a store keeps beside it.
    attempts: how often it was started; more than 1 after a crash. origin: the request that asked for it, and its trace.
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
    created: datetime
    started: datetime | None = None
    finished: datetime | None = None
    updated: datetime
