"""The application in this process, opened on a state folder, with no server and no network."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from anyio import to_thread
from anyio.from_thread import start_blocking_portal
from fastapi import APIRouter, Request

from app.api.deps import CollectionId, IngestDep
from app.api.documents.base import base_url
from app.api.documents.service.jobs import JobPublic, job_document
from app.cli.client.asgi_transport import AsgiTransport
from app.container import Container
from app.main import create_api
from app.settings import Settings

STOP_SECONDS = 120.0

local_router = APIRouter()
"""Only the application in this process has this route: no network client can index paths without DYAD_READ_ROOTS."""


@local_router.post("/collections/{collection_id}/local-paths", status_code=201)
async def index_local_paths(collection_id: CollectionId, request: Request, ingest: IngestDep) -> JobPublic:
    """Index files and folders that the user of the command line names, wherever they are, as one job."""
    body = await request.json()
    paths = [Path(path) for path in body["paths"]]
    job = await to_thread.run_sync(ingest.submit_paths, collection_id, paths, body["labels_from_folders"])
    return job_document(job, base_url(request))


class Application:
    """The API without the checks for network clients (keys, hosts, rates), reached through `transport`.

    Jobs run only after `start`, so that a command which only reads does not continue interrupted jobs. Schedules do not run.

    Raises:
        HomeInUse: another process has the folder open. StartupError: it cannot be opened.
    """

    def __init__(self, settings: Settings) -> None:
        self._container = Container(settings)
        self.is_started = False
        with ExitStack() as stack:
            stack.callback(self._container.close)
            self._portal = stack.enter_context(start_blocking_portal())
            self._api = create_api(self._container, runs_schedules=False)
            self._api.include_router(local_router)
            self.transport = AsgiTransport(self._api, self._portal)
            self._open = stack.pop_all()

    def start(self) -> None:
        """Begin to run jobs: enter the lifespan of the application. A second call has no effect."""
        if not self.is_started:
            self._open.enter_context(self._portal.wrap_async_context_manager(self._api.router.lifespan_context(self._api)))
            self.is_started = True

    def wait(self, job_id: str) -> int:
        """Wait until a dismissed job has stopped. Returns the number of tiles that it indexed or found unchanged."""
        self._container.queue.wait(job_id, STOP_SECONDS)
        return sum(1 for _ in self._container.job_store.items(job_id))

    def close(self) -> None:
        """Stop jobs that run, finish what they write, and close the state folder."""
        self._open.close()
