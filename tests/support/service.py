"""The real service over real HTTP, in a thread of the test's process."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from app.api.middleware.request_heads import PatientProtocol
from app.container import Container
from app.main import create_app
from app.settings import load_settings

ENDED = ("successful", "failed", "dismissed")


@contextmanager
def running_service(home: Path, **settings: Any) -> Iterator[Service]:
    """Start the service on a free port, with its state in `home`; it has ended when the block has."""
    container = Container(load_settings({}, home=home, **settings))
    config = uvicorn.Config(
        create_app(container), http=PatientProtocol, port=0, log_level="warning", timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="service")
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise RuntimeError("the service did not start")
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            yield Service(client, container)
    finally:
        server.should_exit = True
        thread.join()


class Service:
    """A client with the few steps that most tests share."""

    def __init__(self, client: httpx.Client, container: Container) -> None:
        self.client = client
        self.container = container

    def create(self, collection: str, **settings: Any) -> dict[str, Any]:
        answer = self.client.post("/collections", json={"id": collection, **settings})
        assert answer.status_code == 201, answer.text
        return document(answer)

    def upload(
        self, collection: str, files: Mapping[str, bytes | Path], metadata: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Upload, wait, and return the job's results."""
        parts = [("files", (name, data if isinstance(data, bytes) else data.read_bytes())) for name, data in files.items()]
        fields = {} if metadata is None else {"metadata": json.dumps(metadata)}
        answer = self.client.post(f"/collections/{collection}/items", files=parts, data=fields)
        assert answer.status_code == 201, answer.text
        return self.results(answer)

    def results(self, accepted: httpx.Response) -> dict[str, Any]:
        """Wait for the job that an answer's Location names; its results. An ingest that rejected every file has them, too."""
        job = self.wait(accepted.headers["location"])
        is_all_rejected = job["status"] == "failed" and job["message"].startswith("every file was rejected")
        assert job["status"] == "successful" or is_all_rejected, job
        answer = self.client.get(f"/jobs/{job['id']}/results")
        assert answer.status_code == 200, answer.text
        return document(answer)

    def wait(self, location: str, seconds: float = 900) -> dict[str, Any]:
        """Wait until a job has ended."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            job = document(self.client.get(location))
            if job["status"] in ENDED:
                return job
            time.sleep(0.02)
        raise TimeoutError(f"{location} has not ended: {job}")

    def staged(self, seconds: float = 10) -> list[str]:
        """What is staged for nobody: the folder of a job goes right after its end shows, so some time is given to it."""
        deadline = time.monotonic() + seconds
        while (left := self.container.folders.ids()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return left


def document(answer: httpx.Response) -> dict[str, Any]:
    """An answer's JSON object."""
    value: dict[str, Any] = answer.json()
    return value
