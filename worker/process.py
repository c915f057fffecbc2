"""A process of a worker: its services, its GPU, and its shutdown."""

from __future__ import annotations

import logging
import math
import multiprocessing
import os
import threading
import time
from ctypes import c_bool
from typing import Any

from billiard.process import current_process
from celery import signals

from app.cluster.celery.broker import Broker
from app.cluster.celery.celery_queue import CeleryQueue
from app.cluster.celery.job_runner import ClusterRunner
from app.cluster.celery.journal import Journal
from app.cluster.celery.reconciler import Reconciler
from app.cluster.inference.queries import connect_bytes
from app.cluster.redis.client import connect
from app.container import Container
from app.inference.local_models import OpenBundle
from app.inference.onnx import OnnxInference
from app.services.ingest.chunks import WORK
from app.settings import Settings
from app.telemetry.logs import configure_service_logs
from app.telemetry.tracing import close_tracing, configure_tracing
from app.telemetry.worker_metrics import serve_metrics

log = logging.getLogger(__name__)

_stopping = multiprocessing.RawValue(c_bool, False)
"""Shared with child processes; without a lock, because a killed child could leave it locked."""
PARENT_SECONDS = 0.5
STOP_SECONDS = 60.0
"""Seconds that a running task may take to stop at shutdown."""


class Process:
    """The services of this process, opened when the first task needs them."""

    def __init__(self) -> None:
        self._settings: Settings | None = None
        self._services: WorkerServices | None = None
        self._lock = threading.Lock()

    def configure(self, settings: Settings) -> None:
        """Set the settings of the services."""
        self._settings = settings

    @property
    def settings(self) -> Settings:
        """The settings of the worker."""
        if self._settings is None:
            raise RuntimeError("the worker was not configured")
        return self._settings

    def use_gpu(self, place: int) -> None:
        """With several GPUs, make only the n-th one visible to the n-th process; call it before torch is imported."""
        names = self.settings.device.split(",")
        if len(names) > 1:
            own = names[place % len(names)].removeprefix("cuda:")
            visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
            os.environ["CUDA_VISIBLE_DEVICES"] = visible.split(",")[int(own)] if visible else own
            self._settings = self.settings.model_copy(update={"device": "cuda:0"})

    def services(self) -> WorkerServices:
        """The services, opened at the first call.

        Raises:
            StartupError: invalid settings or unavailable storage. DyadError: another reason.
        """
        with self._lock:
            if self._services is None:
                self._services = WorkerServices(self.settings)
            return self._services

    def close(self) -> None:
        """Close the services."""
        with self._lock:
            if self._services is not None:
                self._services.close()
                self._services = None


class WorkerServices:
    """The container, and what tasks need in addition."""

    def __init__(self, settings: Settings) -> None:
        configure_tracing()
        self.container = Container(settings, opening=_opening(settings), is_worker=True)
        container = self.container
        if not isinstance(container.queue, CeleryQueue):
            raise TypeError("a worker needs the queue of a cluster")
        journal = Journal(container.blobs)
        self.broker = Broker(connect(settings.broker_url))
        self.arrays = connect_bytes(settings.broker_url)
        self.reconciler = Reconciler(container.job_store, container.locks, container.queue, journal, self.broker)
        handlers = {kind: handler for lane in container.lanes().values() for kind, handler in lane.items()}
        self.runner = ClusterRunner(
            container.job_store, container.locks, container.queue, journal, handlers, self._clear, is_stopping
        )

    def tidy(self) -> None:
        """Delete local files of jobs that ended in other processes."""
        self.container.folders.collect_garbage(self.container.jobs.is_active)

    def _clear(self, job_id: str) -> None:
        self.container.folders.delete(job_id)
        self.container.blobs.delete_prefix(f"{WORK}{job_id}/")
        self.container.callbacks.ended(job_id)

    def close(self) -> None:
        """Close everything."""
        self.broker.close()
        self.arrays.close()
        self.container.close()
        close_tracing()


PROCESS = Process()


def _opening(settings: Settings) -> OpenBundle:
    """The function that opens bundles on the worker's device."""
    if settings.device == "cpu":
        return OnnxInference
    from worker.torch_models import DeviceModels, find_device  # needs torch, which is optional for workers without a GPU

    return DeviceModels(find_device(settings.device))


def is_stopping() -> bool:
    """Whether the worker shuts down."""
    return bool(_stopping.value)


def watch_process(settings: Settings) -> None:
    """Connect the services to Celery's signals of a worker's processes."""
    PROCESS.configure(settings)
    signals.worker_shutting_down.connect(_stop, weak=False)
    signals.worker_process_init.connect(_begin, weak=False)
    signals.worker_process_shutdown.connect(_end, weak=False)
    signals.worker_shutdown.connect(_end, weak=False)
    signals.worker_ready.connect(_serve_metrics, weak=False)
    signals.setup_logging.connect(_configure_logs, weak=False)


def _stop(**_: Any) -> None:
    """Running jobs check the flag and return to the queue."""
    _stopping.value = True


def _begin(**_: Any) -> None:
    place = getattr(current_process(), "index", None)
    PROCESS.use_gpu(0 if place is None else place)
    if place is not None:
        threading.Thread(target=_end_with_parent, args=(os.getppid(),), name="dyad-parent-watch", daemon=True).start()


def _end_with_parent(parent: int) -> None:
    """Exit when the parent is killed: otherwise this process would continue a job that another worker starts again.

    Also exit `STOP_SECONDS` after the shutdown began, if a job does not stop: another worker continues it.
    """
    deadline = math.inf
    while os.getppid() == parent and time.monotonic() < deadline:
        time.sleep(PARENT_SECONDS)
        if deadline == math.inf and is_stopping():
            deadline = time.monotonic() + STOP_SECONDS
    os._exit(1)


def _end(**_: Any) -> None:
    PROCESS.close()


def _serve_metrics(**_: Any) -> None:
    """Serve metrics in the parent process; an error does not stop the worker."""
    try:
        serve_metrics(PROCESS.settings)
    except OSError as error:
        log.error(
            "DYAD_METRICS_ADDRESS: cannot listen on %s: %s; metrics are not served",
            PROCESS.settings.metrics_address,
            error.strerror,
        )


def _configure_logs(**_: Any) -> None:
    configure_service_logs(PROCESS.settings)
