"""Runs ONNX Runtime sessions so that each run can be stopped: its job was dismissed, the process stops, or it takes too long.

One thread watches all runs and sets `RunOptions.terminate`, which ONNX Runtime checks between the nodes of a graph, also within
loops. It does not stop a single node.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import onnxruntime as ort
from numpy.typing import NDArray

from app.errors import DyadError, InvalidBundle, Unavailable
from app.ports.stopping import stop_check
from models.bundle.sessions import ORT_ERRORS

WATCH_SECONDS = 0.25
PATIENCE_SECONDS = 1.0
"""A run that ends within this time is never stopped, so that a dismissed job still stores the tiles that it has read."""
QUERY_SECONDS = 60.0
JOB_SECONDS = 600.0
"""Limits of one run: of a request, and of a job. A run is one batch of at most 32 tiles."""
_FATAL_ONLY = 4


@dataclass(slots=True, eq=False)
class _Run:
    """One run. check: the stop check of its job; None for a request. reason: the exception that stops it."""

    model: str
    check: Callable[[], None] | None
    options: ort.RunOptions = field(default_factory=ort.RunOptions)
    begun: float = field(default_factory=time.monotonic)
    reason: Exception | None = None


class _Watch:
    """The runs in progress, and the thread that stops them. Thread-safe: each operation on the set is atomic."""

    def __init__(self) -> None:
        self._runs: set[_Run] = set()
        self._lock = threading.Lock()
        self._has_runs = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, run: _Run) -> None:
        """Watch a run until `remove`."""
        self._runs.add(run)
        if self._thread is None or not self._thread.is_alive():  # after a fork there is no thread
            self._start()
        if not self._has_runs.is_set():
            self._has_runs.set()

    def remove(self, run: _Run) -> None:
        """Stop watching a run that has ended."""
        self._runs.discard(run)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._loop, name="dyad-model-runs", daemon=True)
                self._thread.start()

    def _loop(self) -> None:
        while True:
            self._has_runs.wait()
            time.sleep(WATCH_SECONDS)
            self._has_runs.clear()
            for run in list(self._runs):
                self._has_runs.set()
                if run.reason is None:
                    run.reason = _reason_to_stop(run, time.monotonic() - run.begun)
                if run.reason is not None:
                    run.options.terminate = True


_watch = _Watch()


def run_session(
    session: ort.InferenceSession, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]], *, model: str
) -> list[NDArray[Any]]:
    """The outputs of one run of a session. model: its id, for messages.

    Raises:
        Cancelled, Interrupted: the job has to stop. InvalidBundle: a run of a job took more than `JOB_SECONDS`.
        Unavailable: a run of a request took more than `QUERY_SECONDS`. Also the errors of ONNX Runtime, `ORT_ERRORS`.
    """
    run = _Run(model, stop_check())
    run.options.log_severity_level = _FATAL_ONLY
    _watch.add(run)
    try:
        found: list[NDArray[Any]] = session.run(outputs, inputs, run.options)
    except ORT_ERRORS:
        if run.reason is not None:
            raise run.reason from None
        raise
    finally:
        _watch.remove(run)
    return found


def _reason_to_stop(run: _Run, seconds: float) -> Exception | None:
    """The exception that ends a run after `seconds`; None if it may continue."""
    if seconds < PATIENCE_SECONDS:
        return None
    if run.check is None:
        return _too_slow_for_request(run.model) if seconds > QUERY_SECONDS else None
    try:
        run.check()
    except Exception as error:  # noqa: BLE001 - raised in the thread of the run
        return error
    return _too_slow_for_job(run.model) if seconds > JOB_SECONDS else None


def _too_slow_for_request(model: str) -> DyadError:
    return Unavailable(
        f"model {model!r} did not answer within {QUERY_SECONDS:g} s and was stopped; try again, or use another model"
    )


def _too_slow_for_job(model: str) -> DyadError:
    return InvalidBundle(f"model {model!r} did not finish one batch of tiles within {JOB_SECONDS:g} s; use another model")
