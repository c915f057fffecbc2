"""The job queue of a cluster: records in a shared job store, and Celery messages to the workers.

The record is written first; a message contains only "run job X". `Reconciler` sends lost messages again. If a message is
delivered twice, the second worker finds the job locked or ended.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from app.cluster.celery.journal import Journal
from app.cluster.celery.settings import (
    INGEST,
    INGEST_CHUNK,
    LATER,
    PRIORITY_OF_KIND,
    QUEUE_OF_KIND,
    RUN_JOB,
    SOON,
    broker_options,
    celery_settings,
)
from app.domain.jobs import ACTIVE, Job, JobStatus
from app.ports import JobStore, Locks

log = logging.getLogger(__name__)

SEND_POLICY = {"max_retries": 1, "interval_start": 0.1, "interval_step": 0, "interval_max": 0.1}
SEND_SECONDS = 2.0
"""Timeout of each try to send; short, because a request may wait, and reconciliation sends what was not sent."""
POLL_SECONDS = 0.1


def job_lock(job_id: str) -> str:
    """Name of the lock that the worker of a job holds."""
    return f"job:{job_id}"


class CeleryQueue:
    """`JobQueue` over Celery; the workers are separate processes."""

    def __init__(self, broker_url: str, store: JobStore, locks: Locks, journal: Journal) -> None:
        from celery import Celery  # imports that take half a second, needed in a cluster only

        self._celery = Celery("dyad", set_as_current=False)
        self._celery.conf.update(celery_settings(broker_url))
        self._celery.conf.broker_transport_options = broker_options(SEND_SECONDS)
        self._store = store
        self._locks = locks
        self._journal = journal

    def submit(self, job: Job) -> None:
        """Write the record and the journal entry of a job, then send its message."""
        self._store.create(job)
        self._journal.enter(job)
        self.send(job)

    def send(self, job: Job, *, seconds: float = 0, tries: int = 0) -> bool:
        """Send the message of a job; False if the broker did not accept it (reconciliation sends it again).

        seconds: delay of its start. tries: how often the job was put back because a service was unavailable.
        """
        return self._send(
            RUN_JOB,
            [job.id, tries],
            job.id,
            queue=QUEUE_OF_KIND.get(job.kind, INGEST),
            priority=PRIORITY_OF_KIND.get(job.kind, SOON),
            countdown=seconds or None,
        )

    @property
    def send_task(self) -> Callable[..., object]:
        """Celery's `send_task`, for messages other than jobs."""
        send: Callable[..., object] = self._celery.send_task
        return send

    def send_chunks(self, job_id: str, chunks: Sequence[int]) -> None:
        """Send a message for each chunk of an ingest."""
        for chunk in chunks:
            self._send(INGEST_CHUNK, [job_id, chunk], f"{job_id}.{chunk}", priority=LATER)

    def cancel(self, job_id: str) -> Job:
        """Dismiss a job that has not ended; its worker checks the record and stops."""
        self._store.update(job_id, only_if=ACTIVE, status=JobStatus.DISMISSED, message="dismissed", finished=datetime.now(UTC))
        self._journal.strike(job_id)
        return self._store.get(job_id)

    def wait(self, job_id: str, seconds: float) -> bool:
        """Wait until no worker holds the job."""
        deadline = time.monotonic() + seconds
        while self._locks.is_held(job_lock(job_id)):
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def close(self) -> None:
        """Close the connection to the broker; workers continue."""
        self._celery.close()

    def _send(self, task: str, arguments: list[object], task_id: str, **options: object) -> bool:
        from kombu.exceptions import KombuError
        from redis.exceptions import RedisError

        try:
            # Results are not used, and with a result backend this would wait while the broker is unavailable.
            self._celery.send_task(
                task, arguments, task_id=task_id, ignore_result=True, retry=True, retry_policy=SEND_POLICY, **options
            )
        except (KombuError, RedisError, OSError) as error:
            log.warning("the broker did not accept %s %s, reconciliation sends it again: %s", task, task_id, error)
            return False
        return True
