"""A whole cluster of real processes on this machine: API, workers, beat, Redis, vector server; blobs in a folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import httpx

from tests.support.process import ROOT, ServeProcess, environment
from tests.support.qdrant import QdrantProcess
from tests.support.redis import RedisServer

SECONDS = 300.0
ENDED = ("successful", "failed", "dismissed")


def until(is_so: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
    """Wait for something."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.05)


class WorkerProcess:
    """A Celery process (worker or beat) as the head of a process group of its own. Its log goes to `log`."""

    def __init__(self, env: Mapping[str, str], log: Path, *arguments: str) -> None:
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "worker.celery_app", *arguments],
                cwd=ROOT,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,
            )

    def kill(self) -> None:
        """kill -9 of the worker and its children."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)

    def stop(self, seconds: float = SECONDS) -> int:
        """A warm shutdown; the exit code."""
        self.process.terminate()
        return self.process.wait(seconds)


class Cluster:
    """The servers over `folder`; APIs and workers are started by the test, and end with the cluster.

    env: of every process but the vector server, beside what they need (another `DYAD_BLOBS_URL`, a library to load).
    """

    def __init__(self, folder: Path, *, append_only: bool = True, env: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._env = dict(env or {})
        for name in ("redis", "home", "blobs"):
            (folder / name).mkdir(exist_ok=True)
        self.redis = RedisServer(folder / "redis", append_only=append_only, env=environment(**self._env))
        self.redis.start()
        self.vectors = QdrantProcess(folder / "vectors")
        self.log = folder / "workers.log"
        self.workers: list[WorkerProcess] = []
        self.apis: list[ServeProcess] = []

    @property
    def settings(self) -> dict[str, str]:
        """Of every process."""
        return {
            "DYAD_HOME": str(self.folder / "home"),
            "DYAD_BROKER_URL": self.redis.url,
            "DYAD_VECTORS_URL": self.vectors.url,
            "DYAD_BLOBS_URL": f"file://{self.folder / 'blobs'}",
            "DYAD_THREADS": "1",
            "DYAD_CHUNK_FILES": "12",
            "DYAD_READ_ROOTS": str(self.folder),
            **self._env,
        }

    def api(self, home: Path | None = None, **env: str) -> ServeProcess:
        """Another API process. home: instead of the one that all share."""
        made = ServeProcess(home or self.folder / "home", self.folder / "api.log", **{**self.settings, **env})
        self.apis.append(made)
        return made

    def worker(self, *arguments: str, pool: str = "prefork", processes: int = 1, **env: str) -> WorkerProcess:
        """Another worker of all queues."""
        queues = "ingest,embed,train,maintenance"
        name = f"worker-{len(self.workers)}@%h"
        options = ("worker", "-Q", queues, "-n", name, "-P", pool, "-c", str(processes), "-l", "INFO", *arguments)
        made = WorkerProcess(environment(**{**self.settings, **env}), self.log, *options)
        self.workers.append(made)
        return made

    def beat(self) -> WorkerProcess:
        """Another beat."""
        made = WorkerProcess(environment(**self.settings), self.log, "beat", "-l", "INFO")
        self.workers.append(made)
        return made

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.kill()
        for api in self.apis:
            if api.process.poll() is None:
                api.kill()
        self.vectors.kill()
        self.redis.kill()


def wait_for_job(client: httpx.Client, location: str, seconds: float = SECONDS) -> dict[str, Any]:
    """Wait until a job has ended; a part that is down meanwhile is waited for, too."""
    job: dict[str, Any] = {}

    def has_ended() -> bool:
        answer = client.get(location)
        if answer.status_code == 503:
            return False
        job.update(answer.raise_for_status().json())
        return job["status"] in ENDED

    until(has_ended, f"the end of {location}", seconds)
    return job


def items_of(client: httpx.Client, collection: str) -> list[dict[str, Any]]:
    """All tiles of a collection, by paging."""
    features: list[dict[str, Any]] = []
    address = f"/collections/{collection}/items?limit=1000"
    while address:
        page = client.get(address).raise_for_status().json()
        features += page["features"]
        address = next((link["href"] for link in page["links"] if link["rel"] == "next"), "")
    return features
