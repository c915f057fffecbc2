"""The process `evaluate`: measures how well a collection's model finds its labelled tiles; metrics and an HTML report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from app.domain.jobs import Job, new_job
from app.errors import NotFound
from app.ports import Blobs, JobContext, JobQueue, JobStore, RunChild
from app.services.catalogue.collection_store import reports_prefix
from app.services.catalogue.collections import CollectionService
from app.services.catalogue.models import ModelService
from app.services.jobs.folders import JobFolders
from app.services.jobs.processes import Inputs, Process
from app.services.jobs.sub_progress import SubProgress
from app.services.training.subject import Subject, Subjects
from models.bundle.manifest import Manifest

KIND = "evaluate"
PROGRAM = "models.heads.evaluate"
REPORT = "report.html"
FILES_SHARE = 30
FEWEST_QUERIES = 20
"""With fewer queries no change of the collection's re-ranking setting is proposed."""


class EvaluateInputs(Inputs):
    """Inputs of the process `evaluate`."""

    collection: str = Field(description="Id of the collection whose labelled tiles are the queries.")


class EvaluationService:
    """Evaluates the models of the live indexes of collections."""

    def __init__(
        self,
        *,
        collections: CollectionService,
        subjects: Subjects,
        models: ModelService,
        blobs: Blobs,
        jobs: JobStore,
        queue: JobQueue,
        folders: JobFolders,
        run_child: RunChild,
    ) -> None:
        self._collections = collections
        self._subjects = subjects
        self._models = models
        self._blobs = blobs
        self._jobs = jobs
        self._queue = queue
        self._folders = folders
        self._run_child = run_child

    @property
    def process(self) -> Process:
        """The process `evaluate`."""
        return Process(
            KIND,
            "Evaluate a collection",
            "Searches the collection for each of its labelled tiles and measures the results. The report is an HTML page. "
            "Changes no setting; it may propose one.",
            EvaluateInputs,
            self.submit,
            {
                "model": "Id of the evaluated model.",
                "index_version": "Version of the evaluated index.",
                "metrics": "Metrics by name.",
                "rerank": "Effect of re-ranking; `default`: whether it should be on by default, null with too few labels.",
                "proposal": "`settings` to apply with `PATCH /collections/{id}`, and the `reason`; null without a proposal.",
            },
        )

    def submit(self, inputs: EvaluateInputs) -> Job:
        """Submit an evaluation.

        Raises:
            NotFound: the collection. InvalidInput: too few labels. OutOfSpace: the files do not fit on the disk.
        """
        subject = self._subjects.of(inputs.collection)
        self._folders.check_space(self._subjects.files(subject).size(len(subject.classes.kept), features=False))
        job = new_job(KIND, inputs.collection, inputs.model_dump())
        self._queue.submit(job)
        return job

    def run(self, context: JobContext) -> dict[str, Any]:
        """Run an evaluation job.

        Raises:
            Cancelled, Interrupted: the job has to stop. DyadError: the evaluation failed.
        """
        with self._folders.working(context.job.id) as folder:
            subject = self._subjects.of(str(context.job.collection))
            result = self._measure(subject, folder, context)
            page = (folder / REPORT).read_bytes()
            self._blobs.put(_report_key(context.job), page)
        rerank = _judged(result.get("rerank"))
        proposal = self._propose(subject, rerank)
        made = {"model": subject.live.model, "index_version": subject.live.version, "rerank": rerank, "proposal": proposal}
        return {**result, **made}

    def report(self, job_id: str) -> bytes:
        """The HTML report of an evaluation.

        Raises:
            NotFound: no such job, or it has no report.
        """
        job = self._jobs.get(job_id)
        try:
            return self._blobs.get(_report_key(job))
        except NotFound:
            raise NotFound(f"job {job_id} has no report: only a successful evaluation has one") from None

    def _measure(self, subject: Subject, folder: Path, context: JobContext) -> dict[str, Any]:
        classes = subject.classes.kept
        base = self._models.copy_bundle(subject.live.model, folder / "base")
        counts = self._subjects.files(subject).write(folder, classes, SubProgress(context, 0, FILES_SHARE), features=False)
        title = subject.collection.title or subject.collection.id
        Manifest(id=subject.live.model, title=title, collection=subject.collection.id, bundle=base, classes=classes).write(
            folder
        )
        result = self._run_child(SubProgress(context, FILES_SHARE, 100), PROGRAM, [str(folder)], folder=folder)
        return {**result, **counts}

    def _propose(self, subject: Subject, rerank: dict[str, Any] | None) -> dict[str, Any] | None:
        """The change of `rerank` of the collection that follows from the measurement; None without one. Nothing is changed."""
        if rerank is None or rerank["default"] is None:
            return None
        wanted = None if rerank["default"] else False
        is_off = self._collections.get(subject.collection.id).rerank is False
        if is_off == (wanted is False):
            return None
        reason = "re-ranking does not lower" if wanted is None else "re-ranking lowers"
        return {"settings": {"rerank": wanted}, "reason": f"{reason} the mean average precision of the labelled tiles"}


def _judged(found: dict[str, Any] | None) -> dict[str, Any] | None:
    """The measurements with `default`: whether re-ranking should be on, None with fewer than `FEWEST_QUERIES` queries; None
    without a matcher, or if no two tiles for it share a label."""
    if found is None:
        return None
    return {**found, "default": found["helps"] if found["queries"] >= FEWEST_QUERIES else None}


def _report_key(job: Job) -> str:
    return f"{reports_prefix(str(job.collection))}{job.id}.html"
