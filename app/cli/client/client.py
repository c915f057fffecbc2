"""The client of the commands: `app.client` over a running service or the application in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
from typing_extensions import override

from app.api.status_codes import STATUS
from app.cli.client.stopped import Stopped
from app.cli.output import notice
from app.client import ApiError, JobFailed
from app.client.core import Document, Progress, Steps
from app.client.synchronous import Dyad
from app.errors import DyadError, Unavailable

if TYPE_CHECKING:
    from app.cli.client.application import Application

RETRIES = 2
LONG_SECONDS = 1.0
T = TypeVar("T")


class Client(Dyad):
    """`Dyad` whose errors are `DyadError`s.

    url: the service, also for messages. application: given if the transport reaches the application in this process, which is
    never asked again after a refusal.
    """

    def __init__(self, url: str, key: str | None = None, application: Application | None = None, **options: Any) -> None:
        super().__init__(url, key, retries=RETRIES if application is None else 0, **options)
        self.url = url
        self._application = application

    @property
    def is_local(self) -> bool:
        """Whether it reaches the application in this process, not a service."""
        return self._application is not None

    @override
    def run(self, steps: Steps[T], /) -> T:
        """Run an operation to its end.

        Raises:
            DyadError: of the class that the status of the answer stands for, with the message of the answer; or a job failed.
            Unavailable: the service does not answer.
        """
        with self._as_domain_errors():
            return super().run(steps)

    def follow(self, job_id: str, report: Progress) -> Document:
        """Wait until a job has ended. Returns its results.

        Raises:
            DyadError: it failed without results or was dismissed. Stopped: after Ctrl-C; the job is dismissed.
        """
        self._start_jobs(job_id)
        try:
            return self.wait(job_id, report)
        except KeyboardInterrupt:
            self.dismiss(job_id)
            raise Stopped(0 if self._application is None else self._application.wait(job_id)) from None

    def index_local(self, collection_id: str, paths: Sequence[Path], labels_from_folders: bool, report: Progress) -> Document:
        """Let the application in this process read and index paths as one job, and wait. Returns the results of the job.

        Raises:
            DyadError: the job failed without results. Stopped: after Ctrl-C; the job is dismissed.
        """
        body = json.dumps({"paths": list(map(str, paths)), "labels_from_folders": labels_from_folders})
        job = self.request("POST", f"/collections/{collection_id}/local-paths", content=body.encode())
        return self.follow(job["id"], report)

    @override
    def _wait_to_retry(self, seconds: float) -> None:
        if seconds >= LONG_SECONDS:
            notice(f"{self.url} is busy or unavailable; trying again in {seconds:g} s")
        super()._wait_to_retry(seconds)

    @contextmanager
    def _as_domain_errors(self) -> Iterator[None]:
        try:
            yield
        except ApiError as error:
            raise self._refused(error) from None
        except JobFailed as error:
            raise DyadError(str(error)) from None
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise Unavailable(f"no answer from {self.url}: {reason}; check that the service runs at this address") from None

    def _refused(self, error: ApiError) -> DyadError:
        unknown = f"{self.url} answered {error.status} to {error.request}; check that it is a Dyad service"
        detail = str(error.problem.get("detail") or unknown)
        if error.status == 401:
            detail += " (commands take it from DYAD_API_KEY)"
        kind = next((kind for kind, status in STATUS.items() if status == error.status), DyadError)
        return kind(detail)

    def _start_jobs(self, job_id: str) -> None:
        """Let the application in this process run jobs, those that an earlier command left unfinished first."""
        if self._application is None or self._application.is_started:
            return
        if any(job["id"] != job_id for job in self.jobs(status=("accepted", "running"), limit=2)):
            notice("interrupted jobs continue first")
        self._application.start()
