"""The embedded job queue: worker threads over the job store. Jobs that a killed process ran continue at the next start."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from app.domain.jobs import ACTIVE, Job, JobStatus
from app.errors import DyadError
from app.ports import Cancelled, Interrupted, JobHandler, JobStore
from app.queue.job_run import WAITING, StoreContext, outcome, settle

log = logging.getLogger(__name__)

IDLE_SECONDS = 1.0
STOP_SECONDS = 15.0
"""Seconds to wait at shutdown for running jobs; a child process has 10 s of them to save a checkpoint."""
STUCK_SECONDS = 10.0
"""Time after which the thread of a dismissed job that has not stopped is replaced."""
MAX_REPLACEMENTS = 4
MAX_TURNS = 1000
"""Number of collections whose turns are remembered."""


class _Lane:
    """The threads that run the jobs of certain kinds, at most one job of a collection at a time.

    running: collections of the running jobs. served: collections, the least recently served first.
    """

    def __init__(self, name: str, handlers: Mapping[str, JobHandler], threads: int, loop: Callable[[_Lane], None]) -> None:
        self.handlers = handlers
        self._name, self._loop = name, loop
        self.turn = threading.Lock()  # held while a thread claims a job
        self.wake = threading.Condition()
        self.has_news = 0  # counts changes, so that none is missed between a claim and the wait after it
        self.running: list[str | None] = []
        self.served: dict[str | None, None] = {}
        self.threads: list[threading.Thread] = []
        for _ in range(threads):
            self.add_thread()

    def add_thread(self) -> threading.Thread:
        """Add a thread, which is not started yet; a daemon, so that a job that does not stop cannot block the exit."""
        name = f"dyad-{self._name}-{len(self.threads)}"
        thread = threading.Thread(target=self._loop, args=(self,), name=name, daemon=True)
        self.threads.append(thread)
        return thread

    def notify(self) -> None:
        """Wake the threads: there may be a job to run."""
        with self.wake:
            self.has_news += 1
            self.wake.notify_all()

    def wait(self, seen: int) -> None:
        """Wait for `notify`, at most `IDLE_SECONDS`. seen: `has_news` before the claim that found no job."""
        with self.wake:
            self.wake.wait_for(lambda: self.has_news != seen, IDLE_SECONDS)

    def begin(self, collection: str | None) -> None:
        """Count a job as running; its collection is now the most recently served one."""
        self.running.append(collection)
        self.served.pop(collection, None)
        self.served[collection] = None
        if len(self.served) > MAX_TURNS:
            del self.served[next(iter(self.served))]

    def end(self, collection: str | None) -> None:
        """Count a job as ended."""
        with self.turn:
            self.running.remove(collection)
        self.notify()


@dataclass(slots=True, eq=False)
class _Running:
    """A job that runs. is_replaced: another thread serves its lane now, so its own ends with the job."""

    lane: _Lane
    cancelled: threading.Event = field(default_factory=threading.Event)
    is_replaced: bool = False


class LocalQueue:
    """Runs jobs in lanes. The collections of a lane take turns, and each has at most one running job there.

    on_end: called with the id of a job after its end is stored. threads: number of jobs that run at the same time, by the name
    of the lane; 1 for others.
    """

    def __init__(
        self, store: JobStore, on_end: Callable[[str], None] | None = None, threads: Mapping[str, int] | None = None
    ) -> None:
        self._store = store
        self._on_end = on_end
        self._threads = threads or {}
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._running: dict[str, _Running] = {}
        self._replaced = 0
        self._idle = threading.Condition(self._lock)
        self._lanes: list[_Lane] = []

    def start(self, lanes: Mapping[str, Mapping[str, JobHandler]]) -> None:
        """Queue jobs again that a killed process ran, then start the lanes.

        lanes: handlers by job kind, by name of the lane. Jobs of other kinds are not run.
        """
        for job in self._store.list(status=(JobStatus.RUNNING,), limit=1000):
            log.warning("job %s was interrupted and is queued again", job.id)
            self._store.update(job.id, status=JobStatus.ACCEPTED, message=WAITING)
        self._lanes = [
            _Lane(name, handlers, self._threads.get(name, 1), self._loop) for name, handlers in lanes.items() if handlers
        ]
        for thread in self._all_threads():
            thread.start()

    def submit(self, job: Job) -> None:
        """Store the job and wake its lane."""
        self._store.create(job)
        for lane in self._lanes:
            if job.kind in lane.handlers:
                lane.notify()

    def cancel(self, job_id: str) -> Job:
        """Dismiss a job that has not ended."""
        self._store.update(job_id, only_if=ACTIVE, status=JobStatus.DISMISSED, message="dismissed", finished=datetime.now(UTC))
        with self._lock:
            running = self._running.get(job_id)
            if running is not None and not running.cancelled.is_set():
                running.cancelled.set()
                timer = threading.Timer(STUCK_SECONDS, self._replace_if_stuck, (job_id, running))
                timer.daemon = True
                timer.start()
        return self._store.get(job_id)

    def wait(self, job_id: str, seconds: float) -> bool:
        """Wait until no lane runs the job."""
        with self._idle:
            return self._idle.wait_for(lambda: job_id not in self._running, seconds)

    def stop(self) -> None:
        """Interrupt the running jobs and start no others; does not wait."""
        self._stopping.set()
        for lane in self._lanes:
            lane.notify()

    def close(self) -> None:
        """Stop after the current tile; running jobs are queued again.

        A job that does not stop within `STOP_SECONDS` stays recorded as running and is queued again at the next start. Its
        thread is a daemon, so the process can exit.
        """
        self.stop()
        deadline = time.monotonic() + STOP_SECONDS
        for thread in self._all_threads():
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))
        with self._lock:
            for job_id in self._running:
                log.error("job %s did not stop within %.0f s; it continues at the next start", job_id, STOP_SECONDS)

    def _all_threads(self) -> list[threading.Thread]:
        return [thread for lane in self._lanes for thread in lane.threads]

    def _replace_if_stuck(self, job_id: str, running: _Running) -> None:
        """Start another thread for the lane of a dismissed job that has not stopped; its collection stays blocked."""
        with self._lock:
            if self._running.get(job_id) is not running or self._stopping.is_set():
                return
            log.error("job %s was dismissed %.0f s ago and has not stopped", job_id, STUCK_SECONDS)
            if self._replaced < MAX_REPLACEMENTS:
                self._replaced += 1
                running.is_replaced = True
                running.lane.add_thread().start()

    def _check(self, cancelled: threading.Event) -> None:
        if cancelled.is_set():
            raise Cancelled("dismissed")
        if self._stopping.is_set():
            raise Interrupted

    def _loop(self, lane: _Lane) -> None:
        while not self._stopping.is_set():
            seen = lane.has_news
            job = self._claim(lane)
            if job is None:
                lane.wait(seen)
                continue
            running = _Running(lane)
            try:
                self._run(job, running)
            finally:
                lane.end(job.collection)
            if running.is_replaced:
                with self._lock:
                    self._replaced -= 1
                    lane.threads.remove(threading.current_thread())
                return

    def _claim(self, lane: _Lane) -> Job | None:
        with lane.turn:
            try:
                job = self._store.claim(tuple(lane.handlers), skip=tuple(lane.running), served=tuple(lane.served))
            except DyadError as error:
                log.error("the job store does not answer: %s", error)
                return None
            if job is not None:
                lane.begin(job.collection)
            return job

    def _run(self, job: Job, running: _Running) -> None:
        handler, cancelled = running.lane.handlers[job.kind], running.cancelled
        with self._lock:
            self._running[job.id] = running
        try:
            now: Job | None = self._store.get(job.id)
            if now is not None and now.status is JobStatus.RUNNING:  # else dismissed between the claim and the line above
                changes = outcome(handler, StoreContext(job, self._store, lambda: self._check(cancelled)))
                now = settle(self._store, job.id, changes)
            if self._on_end is not None and (now is None or now.status.ended):
                self._on_end(job.id)
        except DyadError as error:
            log.error("the end of job %s could not be stored: %s", job.id, error)
        finally:
            with self._idle:
                del self._running[job.id]
                self._idle.notify_all()
