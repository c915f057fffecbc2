"""The process `train`: trains a model on a collection's labels.

Steps: export the collection to files, run a training program in a child process, install its bundle, re-index the collection.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Protocol

from pydantic import Field, StringConstraints

from app.atomic_files import replace_file
from app.domain.jobs import ACTIVE, Job, new_job
from app.errors import Conflict, DyadError
from app.ports import JobContext, JobQueue, JobStore, Locks
from app.services.catalogue.models import ModelService
from app.services.jobs.folders import JobFolders
from app.services.jobs.processes import Inputs, Process
from app.services.jobs.sub_progress import SubProgress
from app.services.training.subject import Subject, Subjects

KIND = "train"
HEAD = "head"
TRAINED = "trained.json"
SUBMITTING = "train"
"""Name of the lock under which trainings are submitted, one at a time."""
SettingName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.]{0,63}$")]
Reindex = Callable[[str, str], Job]
"""Submits a re-index of a collection (first argument) with a model (second argument)."""


class TrainInputs(Inputs):
    """Inputs of the process `train`."""

    collection: str = Field(description="Id of the collection whose labels are learned.")
    recipe: str = Field(
        default=HEAD,
        pattern=r"^[a-z0-9][a-z0-9-]{0,63}$",
        description="`head`: fine-tune the head on stored features (seconds). Or a recipe of `dyad train --list`: train the "
        "network (hours).",
        examples=[HEAD, "hr-s2dml", "nsl-margin", "proxy-anchor", "default"],
    )
    model_id: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$",
        description="Id of the new model; by default it is made from the names of the collection and the recipe.",
    )
    title: str | None = Field(default=None, max_length=256, description="One line for people.")
    settings: dict[SettingName, str | int | float | bool | None] = Field(
        default_factory=dict, max_length=64, description="Fields of the recipe with other values than its defaults."
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="Random seed.")
    from_scratch: bool = Field(
        default=False, description="Train from scratch instead of fine-tuning the current model. Not supported by `head`."
    )
    reindex: bool = Field(default=True, description="Re-index the collection with the new model afterwards.")


class Training(Protocol):
    """A training method."""

    def check(self, subject: Subject, inputs: TrainInputs) -> None:
        """Check that the training can start; raises a `DyadError` that explains what is missing."""

    def train(self, subject: Subject, inputs: TrainInputs, model_id: str, folder: Path, context: JobContext) -> dict[str, Any]:
        """Write the bundle `folder/bundle/MODEL_ID`; return the fields of the job's result.

        After a kill it is called again with the same folder.
        """


class TrainingService:
    """Trains models on collections, one training per collection at a time."""

    def __init__(
        self,
        *,
        subjects: Subjects,
        models: ModelService,
        jobs: JobStore,
        queue: JobQueue,
        folders: JobFolders,
        head: Training,
        full: Training,
        reindex: Reindex,
        locks: Locks,
    ) -> None:
        self._subjects = subjects
        self._models = models
        self._jobs = jobs
        self._queue = queue
        self._folders = folders
        self._head = head
        self._full = full
        self._reindex = reindex
        self._locks = locks

    @property
    def process(self) -> Process:
        """The process `train`."""
        return Process(
            KIND,
            "Train a model",
            "Trains a model on the labels of a collection, and re-indexes it with the model. One tile in five is held out.",
            TrainInputs,
            self.submit,
            {
                "model": "Id of the new model.",
                "metrics": "Metrics on held-out tiles, before and after.",
                "classes": "Labels that were learned.",
                "left_out": "Labels with too few tiles.",
                "reindex_job": "Id of the job that re-indexes the collection, null without one.",
            },
        )

    def submit(self, inputs: TrainInputs) -> Job:
        """Submit a training.

        Raises:
            NotFound: the collection. Conflict: a training of it is active, or the model id is taken. InvalidInput: an unknown
                recipe or setting, too few labels, or missing features, images or programs. OutOfSpace: the files do not fit.
        """
        subject = self._subjects.of(inputs.collection)
        self._training(inputs).check(subject, inputs)
        with self._locks.hold(SUBMITTING):
            active = [job for job in self._jobs.list(status=ACTIVE, limit=10_000) if job.kind == KIND]
            running = next((job for job in active if job.collection == inputs.collection), None)
            if running is not None:
                raise Conflict(
                    f"a training of collection {inputs.collection!r}, job {running.id}, is active; wait for it or dismiss it"
                )
            taken = {card.id for card in self._models.cards()} | {str(job.inputs["model_id"]) for job in active}
            job = new_job(KIND, inputs.collection, {**inputs.model_dump(), "model_id": _model_id(inputs, taken)})
            self._queue.submit(job)
        return job

    def run(self, context: JobContext) -> dict[str, Any]:
        """Run a training job.

        Raises:
            Cancelled, Interrupted: the job has to stop. DyadError: the training failed.
        """
        inputs = TrainInputs.model_validate(context.job.inputs)
        model_id = str(inputs.model_id)
        context.progress(context.job.progress, "starting")
        with self._folders.working(context.job.id) as folder:
            result = self._train(inputs, model_id, folder, context)
            bundle = folder / "bundle" / model_id
            if bundle.exists():  # else an earlier attempt has installed it
                context.progress(98, "installing the model")
                self._models.install(bundle)
            context.check()
            return {**result, "model": model_id, **self._begin_reindex(inputs, model_id)}

    def _train(self, inputs: TrainInputs, model_id: str, folder: Path, context: JobContext) -> dict[str, Any]:
        done = folder / TRAINED
        if done.exists():
            result: dict[str, Any] = json.loads(done.read_bytes())
            return result
        subject = self._subjects.of(inputs.collection)
        training = self._training(inputs)
        made = training.train(subject, inputs, model_id, folder, SubProgress(context, 0, 98))
        result = {**made, "classes": subject.classes.kept, "left_out": subject.classes.left_out}
        replace_file(done, json.dumps(result).encode())
        return result

    def _begin_reindex(self, inputs: TrainInputs, model_id: str) -> dict[str, Any]:
        """Submit the re-index. The model is installed already, so an error is reported in the result and does not fail the
        job.
        """
        if not inputs.reindex:
            return {"reindex_job": None}
        try:
            return {"reindex_job": self._reindex(inputs.collection, model_id).id}
        except DyadError as error:
            return {"reindex_job": None, "reindex_error": str(error)}

    def _training(self, inputs: TrainInputs) -> Training:
        return self._head if inputs.recipe == HEAD else self._full


def _model_id(inputs: TrainInputs, taken: set[str]) -> str:
    if inputs.model_id is not None:
        if inputs.model_id in taken:
            raise Conflict(f"a model {inputs.model_id!r} exists already or is being trained; choose another model_id")
        return inputs.model_id
    stem = f"{inputs.collection.lstrip('_-')[:40] or 'model'}-{inputs.recipe}"[:58]
    numbers = range(1, len(taken) + 2)
    return next(name for name in (f"{stem}-{number}" for number in numbers) if name not in taken)
