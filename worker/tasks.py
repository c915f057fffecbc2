"""The Celery tasks, which call services of `app`. Each is idempotent, because a task may be delivered twice."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from celery import Celery
from celery.exceptions import SoftTimeLimitExceeded

from app.cluster.celery.settings import INGEST_CHUNK, RECONCILE, RUN_JOB, SWEEP, TICK
from app.cluster.inference.queries import EMBED_QUERY, NO_ORIGIN, answer_query
from app.errors import DyadError, NotFound, Unavailable
from app.ports import Cancelled, Interrupted
from worker.process import PROCESS

log = logging.getLogger(__name__)

JOB_SECONDS = 48 * 3600
CHUNK_SECONDS = 1800
BRIEF_SECONDS = 120
GRACE_SECONDS = 120


def register(app: Celery) -> None:
    """Register all tasks with an application."""

    def task(name: str, seconds: int) -> Any:
        return app.task(name=name, soft_time_limit=seconds, time_limit=seconds + GRACE_SECONDS)

    task(RUN_JOB, JOB_SECONDS)(run_job)
    task(INGEST_CHUNK, CHUNK_SECONDS)(ingest_chunk)
    task(EMBED_QUERY, BRIEF_SECONDS)(embed_query)
    task(TICK, BRIEF_SECONDS)(tick)
    task(RECONCILE, BRIEF_SECONDS)(reconcile)
    task(SWEEP, CHUNK_SECONDS)(sweep)


def run_job(job_id: str, tries: int = 0) -> None:
    """Run a job until it ends or is interrupted."""
    services = PROCESS.services()
    try:
        services.tidy()
        services.runner.run(job_id, tries)
    except Unavailable as error:  # its state could not be written; the reconciler requeues it
        log.error("job %s: %s", job_id, error)


def ingest_chunk(job_id: str, chunk: int) -> None:
    """Process a chunk of an ingest; after an error the worker that runs the job processes it."""
    services = PROCESS.services()
    try:
        services.tidy()
        services.runner.help(job_id, lambda context: services.container.ingest.help(context, chunk))
    except (DyadError, Cancelled, Interrupted) as error:
        log.info("chunk %d of job %s was not processed here: %s", chunk, job_id, error)
    except SoftTimeLimitExceeded:
        log.error("chunk %d of job %s took more than %d s", chunk, job_id, CHUNK_SECONDS)


def embed_query(request: str, model_id: str, encoder: str, asker: Mapping[str, str] = NO_ORIGIN) -> None:
    """Embed the tiles of a query for an API process, which waits for the answer with a short timeout."""
    services = PROCESS.services()
    try:
        answer_query(services.arrays, services.container.models_provider, request, model_id, encoder, asker)
    except Unavailable as error:
        log.info("query %s: %s", request, error)


def tick() -> None:
    """Submit the jobs of schedules that are due."""
    try:
        PROCESS.services().container.schedules.tick(datetime.now(UTC))
    except Unavailable as error:
        log.warning("schedules are checked at the next tick: %s", error)


def reconcile() -> None:
    """Requeue lost jobs."""
    try:
        PROCESS.services().reconciler.run(datetime.now(UTC))
    except (Unavailable, NotFound) as error:
        log.warning("lost jobs are checked at the next run: %s", error)


def sweep() -> None:
    """Delete files that killed processes left behind."""
    container = PROCESS.services().container
    try:
        container.garbage.collect(datetime.now(UTC))
    except (Unavailable, NotFound) as error:
        log.warning("garbage collection is repeated at the next run: %s", error)
