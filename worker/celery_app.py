"""The Celery application of the workers and of beat: `celery -A worker.celery_app worker`, or `dyad worker`.

The only module that reads the settings when it is imported, because Celery finds its application by an import.
"""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery.schedules import schedule

from app.cluster.celery.settings import RECONCILE, RECONCILE_SECONDS, SWEEP, SWEEP_SECONDS, TICK, TICK_SECONDS, celery_settings
from app.errors import StartupError
from app.settings import Settings, load_settings
from worker import tasks
from worker.process import watch_process
from worker.steady_clock import steady_now
from worker.visibility_renewal import RenewVisibility

MAX_MEMORY_MB = 8192


def make_app(settings: Settings) -> Celery:
    """The application, with all tasks.

    Raises:
        StartupError: DYAD_BROKER_URL is not set.
    """
    if not settings.broker_url:
        raise StartupError("DYAD_BROKER_URL is not set: a worker needs a broker; without one the service runs its jobs itself")
    app = Celery("dyad")
    app.conf.update(celery_settings(settings.broker_url))
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_acks_on_failure_or_timeout=True,
        worker_prefetch_multiplier=1,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_max_memory_per_child=MAX_MEMORY_MB * 1024,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_proc_alive_timeout=60,
        beat_scheduler="celery.beat:Scheduler",
        beat_schedule={
            "schedules": _every(TICK_SECONDS, TICK),
            "lost jobs": _every(RECONCILE_SECONDS, RECONCILE),
            "leftovers": _every(SWEEP_SECONDS, SWEEP),
        },
    )
    app.steps["consumer"].add(RenewVisibility)
    watch_process(settings)
    tasks.register(app)
    return app


def _every(seconds: float, task: str) -> dict[str, Any]:
    """A schedule of beat; a task that no worker has started after two periods expires."""
    return {"task": task, "schedule": schedule(seconds, nowfun=steady_now), "options": {"expires": 2 * seconds}}


app = make_app(load_settings())
