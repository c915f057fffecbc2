"""Job handlers with logs, metrics and traces of each run, linked to the request that created the job."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from app.domain.origin import coming_from
from app.errors import DyadError
from app.ports import Cancelled, Interrupted, JobContext, JobHandler
from app.telemetry.metrics import JOB_SECONDS
from app.telemetry.tracing import span

log = logging.getLogger(__name__)


def observed(handlers: Mapping[str, JobHandler]) -> dict[str, JobHandler]:
    """Wrap handlers, by kind."""
    return {kind: partial(_run, kind, handler) for kind, handler in handlers.items()}


def _run(kind: str, handler: JobHandler, context: JobContext) -> dict[str, Any]:
    job, start, outcome = context.job, time.perf_counter(), "failed"
    parent = job.origin.get("traceparent")
    with (
        coming_from(request_id=job.origin.get("request_id"), job_id=job.id, traceparent=parent),
        span(f"job {kind}", kind="CONSUMER", parent=parent, job_id=job.id, collection=job.collection, attempt=job.attempts),
    ):
        log.info("%s of %s starts, attempt %d", kind, job.collection or "all collections", job.attempts)
        try:
            result = handler(context)
            outcome = "successful"
        except Interrupted:
            outcome = "interrupted"
            raise
        except Cancelled:
            outcome = "dismissed"
            raise
        except DyadError as error:
            outcome = type(error).__name__
            raise
        finally:
            seconds = time.perf_counter() - start
            JOB_SECONDS.labels(kind, outcome).observe(seconds)
            log.info("%s ended after %.1f s: %s", kind, seconds, outcome)
        return result
