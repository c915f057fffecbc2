"""Sends messages again for jobs that have neither a message nor a worker.

Causes are a kill between writing the record and sending the message, an unavailable broker, and a Redis that lost its data.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from app.cluster.celery.broker import Broker
from app.cluster.celery.celery_queue import CeleryQueue, job_lock
from app.cluster.celery.journal import Journal
from app.domain.jobs import ACTIVE, Job
from app.errors import Conflict, NotFound
from app.ports import JobStore, Locks

log = logging.getLogger(__name__)

SETTLED = timedelta(seconds=8)
"""A job that changed more recently is skipped; one that changed far in the future did so before the clock was set back."""
LONGEST_PAUSE = timedelta(minutes=2)
"""No message is delayed for longer; one that starts later was sent before the clock was set back."""
MAX_JOBS = 100_000


class Reconciler:
    """Compares records with messages and leases; any number of processes may run it."""

    def __init__(self, store: JobStore, locks: Locks, queue: CeleryQueue, journal: Journal, broker: Broker) -> None:
        self._store = store
        self._locks = locks
        self._queue = queue
        self._journal = journal
        self._broker = broker

    def run(self, now: datetime) -> list[str]:
        """Send lost messages again; returns the ids of their jobs.

        Raises:
            Unavailable: Redis or the blob store does not answer.
        """
        return [job.id for job in (*self._silent(now), *self._forgotten(now)) if self._queue.send(job)]

    def _silent(self, now: datetime) -> list[Job]:
        """Jobs on record that have not ended, without a message and without a worker."""
        quiet = [job for job in self._store.list(status=ACTIVE, limit=MAX_JOBS) if abs(now - job.updated) > SETTLED]
        known = self._broker.task_ids(now + LONGEST_PAUSE) if quiet else set()
        lost = [job for job in quiet if job.id not in known and not self._locks.is_held(job_lock(job.id))]
        for job in lost:
            log.warning("job %s (%s) has neither a message nor a worker; its message is sent again", job.id, job.kind)
        return lost

    def _forgotten(self, now: datetime) -> list[Job]:
        """Jobs in the journal without a record: the record is created again. Entries of ended jobs are removed."""
        found = []
        for job_id in list(self._journal.ids()):
            try:
                if self._store.get(job_id).status.ended:
                    self._journal.strike(job_id)
                continue
            except NotFound:
                job = self._journal.job(job_id)
            if job is None or abs(now - job.created) < SETTLED:
                continue
            try:
                self._store.create(job)
            except Conflict:
                continue  # another process created it
            log.warning("job %s (%s) was lost by Redis; it starts from the beginning", job.id, job.kind)
            found.append(job)
        return found
