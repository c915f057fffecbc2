"""The state folder, opened in this process: services, no HTTP."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ValidationError

from app.api.documents.collections import CollectionCreate, collection_document
from app.api.documents.index_versions import Rollback, index_list
from app.api.documents.jobs import job_document
from app.api.documents.labels import labels_document
from app.api.documents.models import imported_document, model_document
from app.api.documents.schedules import SchedulePut, schedule_document
from app.api.documents.search import SearchRequest, search_document
from app.api.links import Place
from app.api.params import parse_search
from app.atomic_files import new_file
from app.cli.client.backend import POLL_SECONDS, Document, LabelMode, Report, Stopped
from app.cli.output import notice
from app.container import Container
from app.domain.jobs import Job, JobStatus
from app.domain.search import TileFilter
from app.errors import DyadError, FieldError, Unprocessable
from app.settings import Settings

BASE = ""
"""Links in documents begin at the root of a service that has no address here."""
STOP_SECONDS = 120.0
Schema = TypeVar("Schema", bound=BaseModel)


class LocalBackend:
    """A `Backend` over the container. Jobs run only while somebody waits for one."""

    def __init__(self, settings: Settings) -> None:
        self._container = Container(settings)
        self._is_started = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._container.close()

    def collections(self) -> Document:
        """All collections."""
        service = self._container.collections
        return {"collections": [_plain(collection_document(service.info(name), BASE)) for name in service.ids()]}

    def collection(self, collection_id: str) -> Document:
        """One collection."""
        return _plain(collection_document(self._container.collections.info(collection_id), BASE))

    def create_collection(self, settings: Document) -> Document:
        """Create a collection."""
        wanted = _validated(CollectionCreate, settings).model_dump(exclude_unset=True)
        info = self._container.collections.create(wanted.pop("id"), **wanted)
        return _plain(collection_document(info, BASE))

    def delete_collection(self, collection_id: str) -> None:
        """Delete a collection."""
        self._container.collections.delete(collection_id)

    def label(self, collection_id: str, file: Path, mode: LabelMode) -> Document:
        """Label tiles by a file."""
        return _plain(labels_document(self._container.labels.import_file(collection_id, file, mode)))

    def export_labels(self, collection_id: str, target: Path) -> None:
        """Write a collection's labels as CSV."""
        pieces = self._container.labels.export_csv(collection_id, TileFilter())
        with new_file(target) as output:
            output.writelines(pieces)

    def indexes(self, collection_id: str) -> Document:
        """The indexes of a collection."""
        return _plain(index_list(self._container.rollback.kept(collection_id), collection_id, BASE))

    def rollback(self, collection_id: str, wanted: Document) -> Document:
        """Go back to an older index."""
        self._container.rollback.rollback(collection_id, **_validated(Rollback, wanted).model_dump())
        return self.collection(collection_id)

    def models(self) -> Document:
        """All models."""
        return {"models": [_plain(model_document(info, BASE)) for info in self._container.models.all()]}

    def model(self, model_id: str) -> Document:
        """One model."""
        return _plain(model_document(self._container.models.info(model_id), BASE))

    def import_model(self, archive: Path) -> Document:
        """Import a bundle's zip."""
        return _plain(imported_document(self._container.models.import_zip(archive), BASE))

    def export_model(self, model_id: str, target: Path) -> None:
        """Write a model's bundle as one zip."""
        self._container.models.export_zip(model_id, target)

    def activate_model(self, model_id: str) -> Document:
        """Make a model the default."""
        return _plain(model_document(self._container.models.activate(model_id), BASE))

    def delete_model(self, model_id: str) -> None:
        """Delete a model."""
        self._container.models.delete(model_id)

    def jobs(self, collection: str | None, status: Sequence[str], limit: int) -> Document:
        """Jobs, newest first."""
        wanted = [JobStatus(name) for name in status]
        return {"jobs": [_job(job) for job in self._container.jobs.list(collection, wanted, limit)]}

    def job(self, job_id: str) -> Document:
        """One job."""
        return _job(self._container.jobs.get(job_id))

    def cancel(self, job_id: str) -> Document:
        """Dismiss a job."""
        return _job(self._container.jobs.dismiss(job_id))

    def search(self, collection_id: str, query: Document, image: Path | None) -> Document:
        """The most similar tiles."""
        result = self._container.search.search(collection_id, parse_search(_validated(SearchRequest, query)), image)
        return search_document(result, Place(f"{BASE}/collections/{collection_id}", collection_id), [])

    def index(self, collection_id: str, paths: Sequence[Path], labels_from_folders: bool, report: Report) -> Document:
        """Index paths as one job and wait for it."""
        job = self._container.ingest.submit_paths(collection_id, paths, labels_from_folders)
        return self.follow(job.id, report)

    def execute(self, process_id: str, inputs: Document) -> Document:
        """Begin a process."""
        return _job(self._container.processes.execute(process_id, inputs))

    def schedule(self, collection_id: str) -> Document:
        """The schedule of a collection."""
        return _plain(schedule_document(self._container.schedules.get(collection_id), BASE))

    def put_schedule(self, collection_id: str, settings: Document) -> Document:
        """Create or replace the schedule of a collection."""
        wanted = _validated(SchedulePut, settings)
        given = {name: getattr(wanted, name) for name in SchedulePut.model_fields}
        return _plain(schedule_document(self._container.schedules.put(collection_id, **given), BASE))

    def delete_schedule(self, collection_id: str) -> None:
        """Remove the schedule of a collection."""
        self._container.schedules.delete(collection_id)

    def run_schedule(self, collection_id: str, accept_vanished: bool) -> Document:
        """Begin a run of the schedule."""
        return _job(self._container.schedules.submit(collection_id, accept_vanished))

    def follow(self, job_id: str, report: Report) -> Document:
        """Work on jobs until this one has ended."""
        self._start(job_id)
        job = self._container.jobs.get(job_id)
        try:
            while not job.status.ended:
                time.sleep(POLL_SECONDS)
                job = self._container.jobs.get(job.id)
                report(job.progress, job.message)
        except KeyboardInterrupt:
            self._container.jobs.dismiss(job.id)
            self._container.queue.wait(job.id, STOP_SECONDS)
            raise Stopped(sum(1 for _ in self._container.job_store.items(job.id))) from None
        if job.status is not JobStatus.SUCCESSFUL:
            raise DyadError(f"job {job.id} {job.status}: {job.error or job.message}")
        result, items = self._container.jobs.results(job.id)
        return {**result, "item_ids": list(items)}

    def report(self, job_id: str) -> bytes:
        """The page of an evaluation."""
        return self._container.evaluation.report(job_id)

    def _start(self, job_id: str) -> None:
        if self._is_started:
            return
        waiting = self._container.jobs.list(status=(JobStatus.ACCEPTED, JobStatus.RUNNING), limit=2)
        if any(job.id != job_id for job in waiting):
            notice("jobs that were interrupted go on first")
        self._container.start(tick=False)
        self._is_started = True


def _plain(document: BaseModel) -> Document:
    return document.model_dump(mode="json")


def _job(job: Job) -> Document:
    return _plain(job_document(job, BASE))


def _validated(schema: type[Schema], values: dict[str, Any]) -> Schema:
    """The values as the service would take them in a request body.

    Raises:
        Unprocessable: one is wrong.
    """
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = FieldError(".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, "))
        raise Unprocessable(f"{field.loc}: {field.message}" if field.loc else field.message, [field]) from None
