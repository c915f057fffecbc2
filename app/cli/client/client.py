"""The operations of Dyad as one HTTP client, of a running service or of the application in this process."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from app.api.problems import STATUS
from app.atomic_files import complete_file
from app.cli.client.geojson import as_collection
from app.cli.client.values import ENDED, POLL_SECONDS, Document, LabelMode, ProgressCallback, Stopped
from app.cli.output import notice
from app.errors import DyadError, Unavailable

if TYPE_CHECKING:
    from app.cli.client.application import Application


class Client:
    """Dyad over `http`. Errors are `DyadError`s; a file is streamed from or to the disk.

    url: the service, for messages. application: given if `http` reaches the application in this process.
    """

    def __init__(self, http: httpx.Client, url: str, application: Application | None = None) -> None:
        self.url = url
        self._http = http
        self._application = application

    @property
    def is_local(self) -> bool:
        """Whether it reaches the application in this process, not a service."""
        return self._application is not None

    def request(self, method: str, path: str, **options: Any) -> Document:
        """Send one request. Returns the JSON object of the response; an empty one if the response has no body.

        Raises:
            DyadError: of the class that the status stands for, with the message of the response.
            Unavailable: the service does not answer.
        """
        with self._connected():
            answer = self._http.request(method, path, **options)
        document = _json_object(answer)
        if answer.is_success and document is not None:
            return document
        raise self._refused(answer, document)

    def download(
        self,
        path: str,
        target: Path,
        params: Mapping[str, str] | None = None,
        convert: Callable[[Iterator[bytes]], Iterator[bytes]] | None = None,
    ) -> None:
        """Stream the body of a response to the new file `target`, completely or not at all. convert: changes its pieces.

        Raises:
            DyadError, Unavailable: as `request`. OSError: the file exists, or cannot be written.
        """
        with self._connected(), self._http.stream("GET", path, params=params) as answer:
            if not answer.is_success:
                answer.read()
                raise self._refused(answer, _json_object(answer))
            with complete_file(target) as file:
                pieces = answer.iter_bytes()
                for piece in pieces if convert is None else convert(pieces):
                    file.write(piece)

    @contextmanager
    def _connected(self) -> Iterator[None]:
        try:
            yield
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise Unavailable(f"no answer from {self.url}: {reason}; check that the service runs at this address") from None

    def _refused(self, answer: httpx.Response, document: Document | None) -> DyadError:
        """The error that a response stands for."""
        request = f"{answer.request.method} {answer.request.url.path}"
        unknown = f"{self.url} answered {answer.status_code} to {request}; check that it is a Dyad service"
        detail = (document or {}).get("detail") or unknown
        if answer.status_code == 401:
            detail += " (commands take it from DYAD_API_KEY)"
        kind = next((kind for kind, status in STATUS.items() if status == answer.status_code), DyadError)
        return kind(str(detail))

    def _list(self, name: str, path: str, params: Mapping[str, Any] | None = None) -> Document:
        """A list under `name`; from a service with its links to other pages, which nothing in this process serves."""
        document = self.request("GET", path, params=params)
        return document if self._application is None else {name: document[name]}

    def collections(self) -> Document:
        """`{"collections": [...]}`."""
        return self._list("collections", "/collections")

    def collection(self, collection_id: str) -> Document:
        """One collection. Raises `NotFound`."""
        return self.request("GET", f"/collections/{collection_id}")

    def create_collection(self, settings: Document) -> Document:
        """Create a collection; `settings` contains its `id`. Raises `Conflict` if it exists."""
        return self.request("POST", "/collections", json=settings)

    def delete_collection(self, collection_id: str) -> None:
        """Delete a collection with its tiles, images and jobs."""
        self.request("DELETE", f"/collections/{collection_id}")

    def label(self, collection_id: str, file: Path, mode: LabelMode) -> Document:
        """Label tiles by a CSV or GeoJSON file. Returns the counts, and the rows that were not applied."""
        with file.open("rb") as content:
            return self.request("POST", f"/collections/{collection_id}/labels", params={"mode": mode}, content=content)

    def export_labels(self, collection_id: str, target: Path) -> None:
        """Write the labels of the tiles of a collection to the new CSV file `target`."""
        self.download(f"/collections/{collection_id}/labels.csv", target)

    def export(self, collection_id: str, target: Path, name: str, query: Mapping[str, str]) -> None:
        """Write all items of a collection or a saved search to the new file `target`. name: of the format, or `geojson`."""
        is_geojson = name == "geojson"
        params = {**query, "f": "geojsonseq" if is_geojson else name}
        self.download(f"/collections/{collection_id}/items", target, params, as_collection if is_geojson else None)

    def indexes(self, collection_id: str) -> Document:
        """`{"indexes": [...]}` of a collection, newest first."""
        return self.request("GET", f"/collections/{collection_id}/indexes")

    def rollback(self, collection_id: str, wanted: Document) -> Document:
        """Return to an older index (`version`, `force`). Returns the collection. Raises `Conflict`."""
        return self.request("POST", f"/collections/{collection_id}/rollback", json=wanted)

    def models(self) -> Document:
        """`{"models": [...]}`."""
        return self._list("models", "/models")

    def model(self, model_id: str) -> Document:
        """One model: its card, origin and use."""
        return self.request("GET", f"/models/{model_id}")

    def import_model(self, archive: Path) -> Document:
        """Import the zip of a bundle. Returns the model with `unchanged`. Raises `InvalidBundle`, `Conflict`."""
        with archive.open("rb") as content:
            return self.request("POST", "/models", content=content, headers={"Content-Type": "application/zip"})

    def export_model(self, model_id: str, target: Path) -> None:
        """Write the bundle of a model as one zip to the new file `target`."""
        self.download(f"/models/{model_id}/bundle", target)

    def activate_model(self, model_id: str) -> Document:
        """Make a model the default. Returns the model."""
        return self.request("POST", f"/models/{model_id}/activate")

    def delete_model(self, model_id: str) -> None:
        """Delete a model that was added. Raises `Conflict` while it is in use."""
        self.request("DELETE", f"/models/{model_id}")

    def jobs(self, collection: str | None = None, status: Sequence[str] = (), limit: int = 100) -> Document:
        """`{"jobs": [...]}`, newest first."""
        parameters: dict[str, str | int | Sequence[str]] = {"limit": limit}
        if collection is not None:
            parameters["collection"] = collection
        if status:
            parameters["status"] = status
        return self._list("jobs", "/jobs", parameters)

    def job(self, job_id: str) -> Document:
        """The status of one job."""
        return self.request("GET", f"/jobs/{job_id}")

    def cancel(self, job_id: str) -> Document:
        """Dismiss a job that has not ended. Returns its status."""
        return self.request("DELETE", f"/jobs/{job_id}")

    def report(self, job_id: str) -> bytes:
        """The HTML report of an evaluation. Raises `NotFound` if the job made none."""
        with self._connected():
            answer = self._http.get(f"/jobs/{job_id}/report")
        if not answer.is_success:
            raise self._refused(answer, _json_object(answer))
        return answer.content

    def patch_collection(self, collection_id: str, changes: Document) -> Document:
        """Change settings of a collection. Returns the collection."""
        return self.request("PATCH", f"/collections/{collection_id}", json=changes)

    def classes(self, collection_id: str, item_id: str) -> Document:
        """Class probabilities of a tile, "none of these" included."""
        return self.request("GET", f"/collections/{collection_id}/items/{item_id}/classes")

    def suggestions(self, collection_id: str, limit: int | None) -> Document:
        """A FeatureCollection of the unlabelled tiles whose labels would teach most."""
        params = {} if limit is None else {"limit": limit}
        return self.request("GET", f"/collections/{collection_id}/suggestions", params=params)

    def search(self, collection_id: str, query: Document, image: Path | None) -> Document:
        """A FeatureCollection of the most similar tiles. The image and the query are parts of one form."""
        path = f"/collections/{collection_id}/search"
        if image is None:
            return self.request("POST", path, json=query)
        with image.open("rb") as content:
            form = {"query": (None, json.dumps(query).encode()), "image": (image.name, content)}
            return self.request("POST", path, files=form)

    def schedule(self, collection_id: str) -> Document:
        """The schedule of a collection. Raises `NotFound` if it has none."""
        return self.request("GET", f"/collections/{collection_id}/schedule")

    def put_schedule(self, collection_id: str, settings: Document) -> Document:
        """Create or replace the schedule of a collection."""
        return self.request("PUT", f"/collections/{collection_id}/schedule", json=settings)

    def delete_schedule(self, collection_id: str) -> None:
        """Delete the schedule of a collection."""
        self.request("DELETE", f"/collections/{collection_id}/schedule")

    def run_schedule(self, collection_id: str, accept_vanished: bool) -> Document:
        """Start a run of the schedule. Returns the status of its job. Raises `Conflict` while another run is active."""
        return self.request("POST", f"/collections/{collection_id}/schedule/run", json={"accept_vanished": accept_vanished})

    def execute(self, process_id: str, inputs: Document) -> Document:
        """Start a process. Returns the status of its job. Raises `NotFound`, `Unprocessable` and the errors of the process."""
        return self.request("POST", f"/processes/{process_id}/execution", json={"inputs": inputs})

    def follow(self, job_id: str, report: ProgressCallback) -> Document:
        """Wait until a job has ended. Returns its results.

        Raises:
            DyadError: it failed without results or was dismissed. Stopped: after Ctrl-C; the job is dismissed.
        """
        self._start_jobs(job_id)
        try:
            while (job := self.job(job_id))["status"] not in ENDED:
                report(job["progress"], job["message"])
                time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            self.cancel(job_id)
            raise Stopped(0 if self._application is None else self._application.wait(job_id)) from None
        return self.results(job)

    def results(self, job: Document) -> Document:
        """The results of a job that has ended: also of an ingest that failed because it rejected every file.

        Raises:
            DyadError: it failed without results or was dismissed.
        """
        has_results = any(link["rel"].endswith("/results") for link in job["links"])
        if job["status"] != "successful" and not has_results:
            raise DyadError(f"job {job['id']} {job['status']}: {job['message']}")
        return self.request("GET", f"/jobs/{job['id']}/results")

    def index_local(
        self, collection_id: str, paths: Sequence[Path], labels_from_folders: bool, report: ProgressCallback
    ) -> Document:
        """Let the application in this process read and index paths as one job, and wait. Returns the results of the job.

        Raises:
            DyadError: the job failed without results. Stopped: after Ctrl-C; the job is dismissed.
        """
        body = json.dumps({"paths": list(map(str, paths)), "labels_from_folders": labels_from_folders})
        job = self.request("POST", f"/collections/{collection_id}/local-paths", content=body.encode())
        return self.follow(job["id"], report)

    def _start_jobs(self, job_id: str) -> None:
        """Let the application in this process run jobs, those that an earlier command left unfinished first."""
        if self._application is None or self._application.is_started:
            return
        waiting = self.jobs(status=("accepted", "running"), limit=2)["jobs"]
        if any(job["id"] != job_id for job in waiting):
            notice("interrupted jobs continue first")
        self._application.start()


def _json_object(answer: httpx.Response) -> Document | None:
    """The JSON object of a response; empty without a body, None for anything else."""
    if not answer.content:
        return {}
    try:
        document = answer.json()
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
