"""The recipe `head`: trains a new head on stored features and recalibrates the matcher, in seconds; reads few images."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from app.errors import InvalidInput
from app.ports import AskChild, JobContext, RunChild, VectorStore
from app.services.catalogue.models import ModelService
from app.services.jobs.folders import JobFolders
from app.services.jobs.sub_progress import SubProgress
from app.services.training.subject import Subject, Subjects
from app.services.training.training import TrainInputs
from models.bundle.files import HEAD_FILE
from models.bundle.manifest import Manifest
from models.bundle.trained_card import trained_card_problem

PROGRAM, DESCRIBE = "models.heads.train", "models.heads.describe"
FILES_SHARE = 45
"""Percent of the progress for reading the collection."""


class HeadTraining:
    """Trains heads."""

    def __init__(
        self,
        *,
        subjects: Subjects,
        models: ModelService,
        vectors: VectorStore,
        folders: JobFolders,
        run_child: RunChild,
        ask_child: AskChild,
    ) -> None:
        self._subjects = subjects
        self._models = models
        self._vectors = vectors
        self._folders = folders
        self._run_child = run_child
        self._ask_child = ask_child

    def check(self, subject: Subject, inputs: TrainInputs) -> None:
        """Check that the index has features, and that the settings are valid.

        Raises:
            InvalidInput: features are missing, or a setting is not valid. OutOfSpace: the files do not fit on the disk.
        """
        if inputs.from_scratch:
            raise InvalidInput("from_scratch: not supported by the recipe 'head', which trains on the live model; leave it out")
        advice = "re-index it with a model that has features, such as the default model or one of `dyad models add`"
        if not subject.card.feature_dimension:
            raise InvalidInput(f"the recipe 'head' needs features, which model {subject.card.id!r} does not have; {advice}")
        if self._vectors.scroll_vectors(subject.live.index, limit=1, features=True).embeddings.feature is None:
            raise InvalidInput(f"the index of collection {subject.collection.id!r} has no features; {advice}")
        self._check_program(subject, inputs)
        self._folders.check_space(self._subjects.files(subject).size(len(subject.classes.kept), features=True))

    def _check_program(self, subject: Subject, inputs: TrainInputs) -> None:
        """Let the program check the settings, and the model's graph unless its card shows that it has a linear head."""
        settings = json.dumps(dict(inputs.settings))
        if HEAD_FILE in subject.card.files or trained_card_problem(subject.card) is None:
            if inputs.settings:
                self._ask_child(DESCRIBE, [settings])
            return
        with tempfile.TemporaryDirectory(prefix="dyad-head-") as folder:
            bundle = self._models.copy_bundle(subject.live.model, Path(folder) / "base")
            self._ask_child(DESCRIBE, [settings, str(bundle)])

    def train(self, subject: Subject, inputs: TrainInputs, model_id: str, folder: Path, context: JobContext) -> dict[str, Any]:
        """Write the files and run the program, from the start after an interruption; return its result and the tile counts."""
        bundle = folder / "bundle" / model_id
        shutil.rmtree(bundle, ignore_errors=True)
        base = self._models.copy_bundle(subject.live.model, folder / "base")
        files = self._subjects.files(subject)
        counts = files.write(folder, subject.classes.kept, SubProgress(context, 0, FILES_SHARE), features=True)
        title = inputs.title or f"{subject.collection.title or subject.collection.id}, head"
        Manifest(
            id=model_id,
            title=title,
            collection=subject.collection.id,
            bundle=base,
            classes=subject.classes.kept,
            seed=inputs.seed,
            recipe=dict(inputs.settings),
        ).write(folder)
        result = self._run_child(SubProgress(context, FILES_SHARE, 100), PROGRAM, [str(folder)], folder=folder)
        return {**result, **counts}
