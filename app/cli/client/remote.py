"""A running service, reached over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from app.api.problems import STATUS
from app.atomic_files import new_file
from app.cli.client.backend import ENDED, POLL_SECONDS, Document, LabelMode, Report, Stopped
from app.errors import DyadError, Unavailable

LOOPBACK = ("127.0.0.1", "localhost", "::1")
TIMEOUT = httpx.Timeout(300, connect=10)


class HttpBackend:
    """A `Backend` over a service's address. key: sent with every request, if it is not empty."""

    def __init__(self, url: str, key: str = "") -> None:
        self.url = url.rstrip("/")
        is_near = urlsplit(self.url).hostname in LOOPBACK
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(base_url=self.url, headers=headers, timeout=TIMEOUT, trust_env=not is_near)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.close()

    def request(self, method: str, path: str, **options: Any) -> Document:
        """One request; the JSON object of its answer, empty for an empty one.

        Raises:
            DyadError: of the class that the service's status stands for, with the service's own words.
            Unavailable: nobody answers there.
        """
        with self._answers():
            answer = self._client.request(method, path, **options)
        document = _json_object(answer)
        if answer.is_success and document is not None:
            return document
        raise self._refused(answer, document)

    def download(self, path: str, target: Path) -> None:
        """Stream an answer's body to the new file `target`, all of it or nothing.

        Raises:
            DyadError, Unavailable: as `request`. OSError: the file exists, or cannot be written.
        """
        with self._answers(), self._client.stream("GET", path) as answer:
            if not answer.is_success:
                answer.read()
                raise self._refused(answer, _json_object(answer))
            with new_file(target) as file:
                for piece in answer.iter_bytes():
                    file.write(piece)

    @contextmanager
    def _answers(self) -> Iterator[None]:
        try:
            yield
        except httpx.HTTPError as error:
            raise Unavailable(f"no answer from {self.url}: {error or type(error).__name__}; is the service running?") from None

    def _refused(self, answer: httpx.Response, document: Document | None) -> DyadError:
        """The error that an answer stands for."""
        asked = f"{answer.request.method} {answer.request.url.path}"
        detail = (document or {}).get("detail") or f"{self.url} answered {answer.status_code} to {asked}; is it a Dyad service?"
        if answer.status_code == 401:
            detail += " (commands take it from DYAD_API_KEY)"
        kind = next((kind for kind, status in STATUS.items() if status == answer.status_code), DyadError)
        return kind(str(detail))

    def collections(self) -> Document:
        """All collections."""
        return self.request("GET", "/collections")

    def collection(self, collection_id: str) -> Document:
        """One collection."""
        return self.request("GET", f"/collections/{collection_id}")

    def create_collection(self, settings: Document) -> Document:
        """Create a collection."""
        return self.request("POST", "/collections", json=settings)

    def delete_collection(self, collection_id: str) -> None:
        """Delete a collection."""
        self.request("DELETE", f"/collections/{collection_id}")

    def label(self, collection_id: str, file: Path, mode: LabelMode) -> Document:
        """Label tiles by a file."""
        with file.open("rb") as content:
            return self.request("POST", f"/collections/{collection_id}/labels", params={"mode": mode}, content=content)

    def export_labels(self, collection_id: str, target: Path) -> None:
        """Write a collection's labels as CSV."""
        self.download(f"/collections/{collection_id}/labels.csv", target)

    def indexes(self, collection_id: str) -> Document:
        """The indexes of a collection."""
        return self.request("GET", f"/collections/{collection_id}/indexes")

    def rollback(self, collection_id: str, wanted: Document) -> Document:
        """Go back to an older index."""
        return self.request("POST", f"/collections/{collection_id}/rollback", json=wanted)

    def models(self) -> Document:
        """All models."""
        return self.request("GET", "/models")

    def model(self, model_id: str) -> Document:
        """One model."""
        return self.request("GET", f"/models/{model_id}")

    def import_model(self, archive: Path) -> Document:
        """Import a bundle's zip."""
        with archive.open("rb") as content:
            return self.request("POST", "/models", content=content, headers={"Content-Type": "application/zip"})

    def export_model(self, model_id: str, target: Path) -> None:
        """Write a model's bundle as one zip."""
        self.download(f"/models/{model_id}/bundle", target)

    def activate_model(self, model_id: str) -> Document:
        """Make a model the default."""
        return self.request("POST", f"/models/{model_id}/activate")

    def delete_model(self, model_id: str) -> None:
        """Delete a model."""
        self.request("DELETE", f"/models/{model_id}")

    def jobs(self, collection: str | None, status: Sequence[str], limit: int) -> Document:
        """Jobs, newest first."""
        parameters: dict[str, str | int | Sequence[str]] = {"limit": limit}
        if collection is not None:
            parameters["collection"] = collection
        if status:
            parameters["status"] = status
        return self.request("GET", "/jobs", params=parameters)

    def job(self, job_id: str) -> Document:
        """One job."""
        return self.request("GET", f"/jobs/{job_id}")

    def cancel(self, job_id: str) -> Document:
        """Dismiss a job."""
        return self.request("DELETE", f"/jobs/{job_id}")

    def report(self, job_id: str) -> bytes:
        """The page of an evaluation."""
        with self._answers():
            answer = self._client.get(f"/jobs/{job_id}/report")
        if not answer.is_success:
            raise self._refused(answer, _json_object(answer))
        return answer.content

    def search(self, collection_id: str, query: Document, image: Path | None) -> Document:
        """The most similar tiles; the image travels as a part of a form, the query as another."""
        path = f"/collections/{collection_id}/search"
        if image is None:
            return self.request("POST", path, json=query)
        with ExitStack() as stack:
            content = stack.enter_context(image.open("rb"))
            form = {"query": (None, httpx.Request("POST", self.url, json=query).content), "image": (image.name, content)}
            return self.request("POST", path, files=form)

    def schedule(self, collection_id: str) -> Document:
        """The schedule of a collection."""
        return self.request("GET", f"/collections/{collection_id}/schedule")

    def put_schedule(self, collection_id: str, settings: Document) -> Document:
        """Create or replace the schedule of a collection."""
        return self.request("PUT", f"/collections/{collection_id}/schedule", json=settings)

    def delete_schedule(self, collection_id: str) -> None:
        """Remove the schedule of a collection."""
        self.request("DELETE", f"/collections/{collection_id}/schedule")

    def run_schedule(self, collection_id: str, accept_vanished: bool) -> Document:
        """Begin a run of the schedule."""
        return self.request("POST", f"/collections/{collection_id}/schedule/run", json={"accept_vanished": accept_vanished})

    def execute(self, process_id: str, inputs: Document) -> Document:
        """Begin a process."""
        return self.request("POST", f"/processes/{process_id}/execution", json={"inputs": inputs})

    def follow(self, job_id: str, report: Report) -> Document:
        """Ask for the job until it has ended."""
        try:
            while (job := self.job(job_id))["status"] not in ENDED:
                report(job["progress"], job["message"])
                time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            self.cancel(job_id)
            raise Stopped from None
        if job["status"] != "successful":
            raise DyadError(f"job {job_id} {job['status']}: {job['message']}")
        return self.request("GET", f"/jobs/{job_id}/results")

    def index(self, collection_id: str, paths: Sequence[Path], labels_from_folders: bool, report: Report) -> Document:
        """Upload paths in batches, each a job, and wait for all of them."""
        from app.cli.client.upload import Upload

        return Upload(self, collection_id, labels_from_folders, report).run(paths)


def _json_object(answer: httpx.Response) -> Document | None:
    """The answer's JSON object; empty without a body, None for anything else."""
    if not answer.content:
        return {}
    try:
        document = answer.json()
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
