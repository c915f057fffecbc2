"""Calls of subscribers, without a web server."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from app.domain.jobs import JobStatus, new_job
from app.domain.subscriber import Subscription, subscribed
from app.errors import InvalidInput, Unfetchable
from app.ports import WebCalls
from app.services.jobs.callbacks import Callbacks
from app.stores.sqlite_jobs import SqliteJobStore

ADDRESSES = {"successUri": "http://a/done", "failedUri": "http://a/failed"}


class Recorded(WebCalls):
    """Keeps what is sent; the first calls fail."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.sent: list[tuple[str, bytes]] = []
        self.done = threading.Event()

    def check_call(self, url: str) -> None:
        if not url.startswith("http://a/"):
            raise InvalidInput("another server")

    def post(self, url: str, body: bytes, media_type: str) -> None:
        self.failures -= 1
        if self.failures >= 0:
            raise Unfetchable("busy")
        self.sent.append((url, body))
        self.done.set()


def test_the_status_of_a_failed_job_is_sent(tmp_path: Path) -> None:
    store, calls = SqliteJobStore(tmp_path / "jobs"), Recorded(failures=2)
    callbacks = Callbacks(store, calls, pauses=(0, 0))
    with subscribed(Subscription(ADDRESSES, callbacks.states(ADDRESSES))):
        job = new_job("train", None, {})
    assert new_job("train", None, {}).subscriber == {}
    store.create(job)
    store.update(job.id, status=JobStatus.FAILED, message="no labels")
    callbacks.ended(job.id)
    assert calls.done.wait(10)
    (url, body), document = calls.sent[0], json.loads(calls.sent[0][1])
    assert (url, document["status"], document["message"], document["jobID"]) == (
        "http://a/failed",
        "failed",
        "no labels",
        job.id,
    ), body
    store.close()


def test_without_permission_nothing_is_called(tmp_path: Path) -> None:
    store = SqliteJobStore(tmp_path / "jobs")
    assert "DYAD_READ_ROOTS" in Callbacks(store, None).states(ADDRESSES)["failedUri"]
    assert Callbacks(store, Recorded()).states({"failedUri": "ftp://b"}) == {"failedUri": "not called: another server"}
    Callbacks(store, None).ended("none")
    store.close()
