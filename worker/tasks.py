"""The tasks, as thin as views: what they do is in `app`. Each may come twice, and does no harm then."""

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
    """Give an application all tasks."""

    def task(name: str, seconds: int) -> Any:
        return app.task(name=name, soft_time_limit=seconds, time_limit=seconds + GRACE_SECONDS)

    task(RUN_JOB, JOB_SECONDS)(run_job)
    task(INGEST_CHUNK, CHUNK_SECONDS)(ingest_chunk)
    task(EMBED_QUERY, BRIEF_SECONDS)(embed_query)
    task(TICK, BRIEF_SECONDS)(tick)
    task(RECONCILE, BRIEF_SECONDS)(reconcile)
    task(SWEEP, CHUNK_SECONDS)(sweep)


def run_job(job_id: str, tries: int = 0) -> None:
    """Run a job to its end, or as far as it comes."""
    parts = PROCESS.parts()
    try:
        parts.tidy()
        parts.runner.run(job_id, tries)
    except Unavailable as error:  # neither its end nor its pause could be written: the reconciler will find it
        log.error("job %s: %s", job_id, error)


def ingest_chunk(job_id: str, chunk: int) -> None:
    """Help with an ingest; what goes wrong is left to the worker that has the job."""
    parts = PROCESS.parts()
    try:
        parts.tidy()
        parts.runner.help(job_id, lambda context: parts.container.ingest.help(context, chunk))
    except (DyadError, Cancelled, Interrupted) as error:
        log.info("chunk %d of job %s is left to others: %s", chunk, job_id, error)
    except SoftTimeLimitExceeded:
        log.error("chunk %d of job %s took more than %d s", chunk, job_id, CHUNK_SECONDS)


def embed_query(request: str, model_id: str, encoder: str, asker: Mapping[str, str] = NO_ORIGIN) -> None:
    """Embed the tiles of a query for an API process, which waits for them but not for long."""
    parts = PROCESS.parts()
    try:
        answer_query(parts.arrays, parts.container.models_provider, request, model_id, encoder, asker)
    except Unavailable as error:
        log.info("query %s: %s", request, error)


def tick() -> None:
    """Submit what schedules want by now."""
    try:
        PROCESS.parts().container.schedules.tick(datetime.now(UTC))
    except Unavailable as error:
        log.warning("schedules are looked at later: %s", error)


def reconcile() -> None:
    """Ask again for jobs that were lost."""
    try:
        PROCESS.parts().reconciler.run(datetime.now(UTC))
    except (Unavailable, NotFound) as error:
        log.warning("lost jobs are looked for later: %s", error)


def sweep() -> None:
    """Remove what killed processes left."""
    container = PROCESS.parts().container
    try:
        container.garbage.collect(datetime.now(UTC))
    except (Unavailable, NotFound) as error:
        log.warning("what was left behind is looked for later: %s", error)
