"""The job queue of a cluster: jobs on record in a store that all share, messages by name to whichever worker is free.

The record comes first: a message says only "run job X". One that is lost is sent again by `Reconciler`, one that comes twice
finds the job held or ended.
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
"""For an answer of the broker, at each try: what it does not take is sent again later, and somebody may wait for this."""
POLL_SECONDS = 0.1


def job_lock(job_id: str) -> str:
    """The lock that whoever works on a job holds."""
    return f"job:{job_id}"


class CeleryQueue:
    """`JobQueue` over Celery; the workers are processes of their own."""

    def __init__(self, broker_url: str, store: JobStore, locks: Locks, journal: Journal) -> None:
        from celery import Celery  # half a second of imports that nobody else should wait for

        self._celery = Celery("dyad", set_as_current=False)
        self._celery.conf.update(celery_settings(broker_url))
        self._celery.conf.broker_transport_options = broker_options(SEND_SECONDS)
        self._store = store
        self._locks = locks
        self._journal = journal

    def submit(self, job: Job) -> None:
        """Put the job on record, then ask for a worker."""
        self._store.create(job)
        self._journal.enter(job)
        self.send(job)

    def send(self, job: Job, *, seconds: float = 0, tries: int = 0) -> bool:
        """Ask for a worker; False if the broker did not take the message (it is sent again later).

        seconds: not before. tries: how often the job was put back because a part was down.
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
        """For messages that are no jobs: Celery's own."""
        send: Callable[..., object] = self._celery.send_task
        return send

    def send_chunks(self, job_id: str, chunks: Sequence[int]) -> None:
        """Ask for workers on chunks of an ingest."""
        for chunk in chunks:
            self._send(INGEST_CHUNK, [job_id, chunk], f"{job_id}.{chunk}", priority=LATER)

    def cancel(self, job_id: str) -> Job:
        """Dismiss a job that has not ended; whoever works on it finds out by itself."""
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
        """Let go of the broker; the workers go on."""
        self._celery.close()

    def _send(self, task: str, arguments: list[object], task_id: str, **options: object) -> bool:
        from kombu.exceptions import KombuError
        from redis.exceptions import RedisError

        try:
            # Nobody waits for results, and with a backend in the way a broker that is away would be waited for.
            self._celery.send_task(
                task, arguments, task_id=task_id, ignore_result=True, retry=True, retry_policy=SEND_POLICY, **options
            )
        except (KombuError, RedisError, OSError) as error:
            log.warning("the broker did not take %s %s, which is sent again later: %s", task, task_id, error)
            return False
        return True
