"""A process of Celery's that answers queries and does nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from celery import Celery

from app.cluster.inference.queries import EMBED_QUERY, answer_query, connect_bytes
from app.inference.local_models import LocalModels

BROKER = "DYAD_TEST_BROKER"
QUEUE = "embed"
SECONDS = 180.0


def make_app(url: str) -> Celery:
    """Its application; the shipped models are loaded when they are first asked for."""
    app = Celery("dyad-queries")
    app.conf.update(
        broker_url=url, task_ignore_result=True, worker_prefetch_multiplier=1, task_acks_late=True,
        worker_hijack_root_logger=False, broker_connection_retry_on_startup=True, task_default_queue=QUEUE,
    )  # fmt: skip
    models, client = LocalModels(Path("no-such-folder"), threads=1), connect_bytes(url)

    @app.task(name=EMBED_QUERY)  # type: ignore[untyped-decorator]
    def embed_query(request: str, model_id: str, encoder: str, asker: dict[str, str]) -> None:
        answer_query(client, models, request, model_id, encoder, asker)

    return app


@contextmanager
def query_worker(url: str) -> Iterator[Celery]:
    """Run one until it is ready; gives an application that sends to it."""
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        __name__,
        "worker",
        "--pool=solo",
        f"--queues={QUEUE}",
        "--loglevel=WARNING",
    ]
    command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    process = subprocess.Popen(command, env={**os.environ, BROKER: url}, stdin=subprocess.DEVNULL)
    sender = Celery("dyad-sender", broker=url, set_as_current=False)
    try:
        deadline = time.monotonic() + SECONDS
        while not sender.control.ping(timeout=0.2):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the worker did not start")
        yield sender
    finally:
        process.terminate()
        process.wait(SECONDS)
        sender.close()


app = make_app(os.environ[BROKER]) if BROKER in os.environ else None
