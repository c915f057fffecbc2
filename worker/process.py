"""One process of a worker: its parts, its graphics card, and its end."""

from __future__ import annotations

import logging
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
"""Shared with the children of this process, and without a lock, which a child that is killed could leave locked."""
PARENT_SECONDS = 0.5


class Process:
    """The parts of this process, opened when the first task needs them."""

    def __init__(self) -> None:
        self._settings: Settings | None = None
        self._parts: WorkerParts | None = None
        self._lock = threading.Lock()

    def configure(self, settings: Settings) -> None:
        """Note what they are opened with."""
        self._settings = settings

    @property
    def settings(self) -> Settings:
        """What the worker was configured with."""
        if self._settings is None:
            raise RuntimeError("the worker was not configured")
        return self._settings

    def take_card(self, place: int) -> None:
        """Of several graphics cards, let the n-th process of a worker see the n-th one only; before torch looks for them."""
        names = self.settings.device.split(",")
        if len(names) > 1:
            own = names[place % len(names)].removeprefix("cuda:")
            visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
            os.environ["CUDA_VISIBLE_DEVICES"] = visible.split(",")[int(own)] if visible else own
            self._settings = self.settings.model_copy(update={"device": "cuda:0"})

    def parts(self) -> WorkerParts:
        """The parts.

        Raises:
            StartupError: there is no place for them. DyadError: another reason.
        """
        with self._lock:
            if self._parts is None:
                self._parts = WorkerParts(self.settings)
            return self._parts

    def close(self) -> None:
        """Release them."""
        with self._lock:
            if self._parts is not None:
                self._parts.close()
                self._parts = None


class WorkerParts:
    """What the tasks need."""

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
        """Remove what this process keeps for jobs that have ended, as whoever ended them could not."""
        self.container.folders.collect_garbage(self.container.jobs.is_active)

    def _clear(self, job_id: str) -> None:
        self.container.folders.delete(job_id)
        self.container.blobs.delete_prefix(f"{WORK}{job_id}/")

    def close(self) -> None:
        """Release everything."""
        self.broker.close()
        self.arrays.close()
        self.container.close()
        close_tracing()


PROCESS = Process()


def _opening(settings: Settings) -> OpenBundle:
    """How bundles are opened on the worker's device."""
    if settings.device == "cpu":
        return OnnxInference
    from worker.torch_models import DeviceModels, find_device  # torch, which workers without a card need not have

    return DeviceModels(find_device(settings.device))


def is_stopping() -> bool:
    """Whether the worker was told to end."""
    return bool(_stopping.value)


def watch_process(settings: Settings) -> None:
    """Have the parts opened and closed with the processes of a worker."""
    PROCESS.configure(settings)
    signals.worker_shutting_down.connect(_stop, weak=False)
    signals.worker_process_init.connect(_begin, weak=False)
    signals.worker_process_shutdown.connect(_end, weak=False)
    signals.worker_shutdown.connect(_end, weak=False)
    signals.worker_ready.connect(_serve_metrics, weak=False)
    signals.setup_logging.connect(_configure_logs, weak=False)


def _stop(**_: Any) -> None:
    """Jobs look at this and are put back."""
    _stopping.value = True


def _begin(**_: Any) -> None:
    place = getattr(current_process(), "index", None)
    PROCESS.take_card(0 if place is None else place)
    if place is not None:
        threading.Thread(target=_end_with_parent, args=(os.getppid(),), name="dyad-leash", daemon=True).start()


def _end_with_parent(parent: int) -> None:
    """A child whose worker was killed would go on unseen by it, with a job that others are about to take up."""
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    os._exit(1)


def _end(**_: Any) -> None:
    PROCESS.close()


def _serve_metrics(**_: Any) -> None:
    """In the process above those that work; what cannot be served stops no work."""
    try:
        serve_metrics(PROCESS.settings)
    except OSError as error:
        log.error("DYAD_METRICS_ADDRESS: nobody can listen on %s: %s", PROCESS.settings.metrics_address, error.strerror)


def _configure_logs(**_: Any) -> None:
    configure_service_logs(PROCESS.settings)
