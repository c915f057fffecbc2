"""Asks again for jobs that nobody works on and no message speaks of, whatever lost it: a kill between two steps, a broker that
was away, a Redis that forgot everything.
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
"""A job that changed more recently is in somebody's hands; one that changed far ahead of now did before the clock went back."""
LONGEST_PAUSE = timedelta(minutes=2)
"""No job is put off for longer; a message that says so was sent before the clock was put back."""
MAX_JOBS = 100_000


class Reconciler:
    """Compares the records with the messages and the leases; any number of processes may do so."""

    def __init__(self, store: JobStore, locks: Locks, queue: CeleryQueue, journal: Journal, broker: Broker) -> None:
        self._store = store
        self._locks = locks
        self._queue = queue
        self._journal = journal
        self._broker = broker

    def run(self, now: datetime) -> list[str]:
        """Ask for what was lost; the ids of those jobs.

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
            log.warning("job %s (%s) has neither a message nor a worker; it is asked for again", job.id, job.kind)
        return lost

    def _forgotten(self, now: datetime) -> list[Job]:
        """Jobs in the journal that are not on record, put there again; those that have ended are struck out."""
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
                continue  # another process did
            log.warning("job %s (%s) was forgotten by Redis; it begins again", job.id, job.kind)
            found.append(job)
        return found
