"""Calls the addresses that a client gave for a job (`subscriber` in OGC API Processes). No job waits for a call."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from app.domain.jobs import Job, JobStatus
from app.domain.subscriber import ENDS, IN_PROGRESS
from app.errors import DyadError, Forbidden, InvalidInput, NotFound, Unfetchable
from app.ports import JobContext, JobHandler, JobStore, WebCalls

log = logging.getLogger(__name__)

WAITING, CALLED = "waiting", "called"
PAUSES = (1.0, 5.0)
"""Seconds before a repeated call."""
JSON = "application/json"
ID_CHUNK = 1000
_STATUS = frozenset({"status", "progress", "message", "created", "started", "finished", "updated"})


class Callbacks:
    """Sends status documents and results to the addresses of subscribers, in threads of its own.

    calls: sends requests to the addresses that the read policy allows; None if it allows none.
    """

    def __init__(self, store: JobStore, calls: WebCalls | None, pauses: tuple[float, ...] = PAUSES) -> None:
        self._store = store
        self._calls = calls
        self.pauses = pauses
        self._lock = threading.Lock()

    def states(self, subscriber: Mapping[str, str]) -> dict[str, str]:
        """What will happen with each address: `waiting`, or why it is not called."""
        return {name: self._state(address) for name, address in subscriber.items()}

    def announcing(self, handlers: Mapping[str, JobHandler]) -> dict[str, JobHandler]:
        """Wrap handlers, by kind: the start of a job is sent to its `inProgressUri`."""
        return {kind: partial(self._announce, handler) for kind, handler in handlers.items()}

    def ended(self, job_id: str) -> None:
        """Send the results of a successful job to its `successUri`, the status of a failed one to its `failedUri`."""
        try:
            job = self._store.get(job_id)
        except DyadError:
            return
        event = ENDS.get(job.status)
        if event is not None:
            self._send(job, event)

    def _state(self, address: str) -> str:
        if self._calls is None:
            return "not called: the service may not send requests; to allow it, add the address to DYAD_READ_ROOTS"
        try:
            self._calls.check_call(address)
        except (Forbidden, InvalidInput) as error:
            return f"not called: {error}"
        return WAITING

    def _announce(self, handler: JobHandler, context: JobContext) -> dict[str, Any]:
        self._send(context.job, IN_PROGRESS)
        return handler(context)

    def _send(self, job: Job, event: str) -> None:
        if job.callbacks.get(event) == WAITING and self._calls is not None:
            thread = threading.Thread(target=self._deliver, args=(self._calls, job, event), name="dyad-callback", daemon=True)
            thread.start()

    def _deliver(self, calls: WebCalls, job: Job, event: str) -> None:
        try:
            self._note(job.id, event, self._call(calls, job, event))
        except NotFound:  # the job was deleted with its collection
            return
        except DyadError as error:
            log.error("the call of %s for job %s could not be recorded: %s", event, job.id, error)

    def _call(self, calls: WebCalls, job: Job, event: str) -> str:
        """Call the address of an event, again after a failure. Returns the outcome."""
        is_result = job.status is JobStatus.SUCCESSFUL
        for pause in (*self.pauses, None):
            body = "".join(results_text(job.result or {}, self._store.items(job.id))) if is_result else status_text(job, event)
            try:
                calls.post(job.subscriber[event], body.encode(), JSON)
            except Unfetchable as error:
                reason = str(error)
            except DyadError as error:
                return f"not called: {error}"
            else:
                return CALLED
            log.warning("job %s: %s was not notified: %s", job.id, event, reason)
            if pause is not None:
                time.sleep(pause)
        return f"failed: {reason}"

    def _note(self, job_id: str, event: str, state: str) -> None:
        with self._lock:
            self._store.update(job_id, callbacks={**self._store.get(job_id).callbacks, event: state})


def status_text(job: Job, event: str) -> str:
    """The status document of a job (OGC API Processes) as JSON text."""
    found = job.model_dump(mode="json", include=set(_STATUS))
    if event == IN_PROGRESS:
        found["status"] = JobStatus.RUNNING
    return json.dumps({"jobID": job.id, "processID": job.kind, "type": "process", **found})


def results_text(result: Mapping[str, object], ids: Iterator[str]) -> Iterator[str]:
    """The results of a job as JSON text, in pieces, with `item_ids` last: there may be millions."""
    yield json.dumps(result)[:-1] + (", " if result else "") + '"item_ids": ['
    chunk: list[str] = []
    separator = ""
    for item in ids:
        chunk.append(f'"{item}"')
        if len(chunk) == ID_CHUNK:
            yield separator + ", ".join(chunk)
            separator, chunk = ", ", []
    yield (separator if chunk else "") + ", ".join(chunk) + "]}"
