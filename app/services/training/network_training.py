"""All other recipes: train a whole network on the images of a collection. It may take hours, and continues after a kill."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.atomic_files import replace_file
from app.domain.queries.search import TileFilter
from app.errors import InvalidInput
from app.ports import AskChild, Blobs, JobContext, RunChild, VectorStore
from app.python_modules import missing_modules
from app.services.catalogue.models import ModelService
from app.services.jobs.folders import JobFolders
from app.services.jobs.sub_progress import SubProgress
from app.services.training.image_export import LABELLED, UNLABELLED, ImageExport
from app.services.training.progress_lines import TrainingLines
from app.services.training.stored_pixels import StoredPixels
from app.services.training.subject import Subject
from app.services.training.training import TrainInputs
from models.bundle.card import ModelCard
from models.bundle.trained_card import trained_card_problem

PROGRAM = "models.runs.train"
DESCRIBE = "models.runs.describe"
NEEDED = ("torch", "torchvision", "sklearn", "onnxscript")
PLAN = "plan.json"
MAX_UNLABELLED = 20_000
TRAIN_FRACTION = 0.9
"""The program tests on the rest. The collection's held-out tiles are not exported; `evaluate` uses them."""
EXPORT_SHARE = 5


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe for one training. size: input size of the network, pixels per side. start: whether it fine-tunes the live model.
    unlabelled: whether it uses images without labels.
    """

    size: int
    start: bool
    unlabelled: bool


class FullTraining:
    """Trains networks with the recipes of `models`."""

    def __init__(
        self,
        *,
        models: ModelService,
        vectors: VectorStore,
        blobs: Blobs,
        folders: JobFolders,
        run_child: RunChild,
        ask_child: AskChild,
    ) -> None:
        self._models = models
        self._vectors = vectors
        self._blobs = blobs
        self._folders = folders
        self._run_child = run_child
        self._ask_child = ask_child

    def check(self, subject: Subject, inputs: TrainInputs) -> None:
        """Check the recipe, the installed programs, the stored images and the disk space.

        Raises:
            InvalidInput: one is missing or not valid; the message explains the remedy. OutOfSpace: the images do not fit.
        """
        recipe = self._recipe(subject.card, inputs)
        if missing := missing_modules(*NEEDED):
            raise InvalidInput(
                f'the recipe {inputs.recipe!r} needs {", ".join(missing)}, which is not installed: pip install "dyad[train]" '
                "and restart the service, or use the recipe 'head'"
            )
        page = self._vectors.scroll(subject.live.index, limit=1, filter=TileFilter(labels=subject.classes.kept))
        if not all(self._blobs.exists(tile.image) for tile in page.tiles):
            raise InvalidInput(f"images of collection {subject.collection.id!r} are missing; use the recipe 'head'")
        labelled = self._vectors.count(subject.live.index, TileFilter(labels=subject.classes.kept))
        images = labelled + min(MAX_UNLABELLED, self._vectors.stats(subject.live.index).size - labelled)
        # the exported files, and the program's cache of decoded pixels
        self._folders.check_space(2 * images * recipe.size**2 * len(subject.card.bands))

    def train(self, subject: Subject, inputs: TrainInputs, model_id: str, folder: Path, context: JobContext) -> dict[str, Any]:
        """Export the images and run the program, which continues from its checkpoints; return the metrics and counts."""
        bundle = folder / "bundle" / model_id
        plan = self._plan(subject, inputs, bundle, folder, SubProgress(context, 0, EXPORT_SHARE))
        if not bundle.exists():
            part = SubProgress(context, EXPORT_SHARE, 100)
            self._run_child(part, PROGRAM, plan["arguments"], folder=folder, translate=TrainingLines().translate)
        card = ModelCard.model_validate_json((bundle / "card.json").read_bytes())
        return {"metrics": card.metrics, **plan["counts"]}

    def _plan(self, subject: Subject, inputs: TrainInputs, bundle: Path, folder: Path, context: JobContext) -> dict[str, Any]:
        """The program's arguments. Made once per job: labels may change, but the checkpoints belong to the exported images."""
        path = folder / PLAN
        if path.exists():
            plan: dict[str, Any] = json.loads(path.read_bytes())
            return plan
        recipe = self._recipe(subject.card, inputs)
        pixels = StoredPixels(self._blobs, replace(subject.spec, input_size=recipe.size))
        export = ImageExport(self._vectors, subject.live.index, pixels, subject.classes.kept)
        counts = export.write(folder, MAX_UNLABELLED if recipe.unlabelled else 0, context)
        plan = {"arguments": self._arguments(subject, inputs, recipe, bundle, folder), "counts": counts}
        replace_file(path, json.dumps(plan).encode())
        return plan

    def _recipe(self, card: ModelCard, inputs: TrainInputs) -> Recipe:
        try:
            described = self._ask_child(DESCRIBE, [*_overrides(inputs), "--", inputs.recipe])
        except InvalidInput as error:
            raise InvalidInput(f"{error}; the recipe 'head' is also available") from None
        problem = trained_card_problem(card)
        has_weights = problem is None
        if described["needs_start"] and (inputs.from_scratch or not has_weights):
            raise InvalidInput(
                f"the recipe {inputs.recipe!r} fine-tunes a trained network, but "
                + (
                    "from_scratch is set; leave it out"
                    if inputs.from_scratch
                    else f"model {card.id!r} cannot be fine-tuned: {problem}; use the recipe 'head'"
                )
            )
        if card.kind == "onnx" and not has_weights and not inputs.from_scratch:
            raise InvalidInput(
                f"model {card.id!r} cannot be fine-tuned: {problem}; use the recipe 'head', or set from_scratch to train a new "
                "network instead"
            )
        start = described["needs_start"] or (described["may_start"] and has_weights and not inputs.from_scratch)
        size = described["image_size"]
        if start and "image_size" not in inputs.settings:
            size = card.input_size
        return Recipe(size, start, described["unlabelled"])

    def _arguments(self, subject: Subject, inputs: TrainInputs, recipe: Recipe, bundle: Path, folder: Path) -> list[str]:
        collection = subject.collection
        arguments = [
            f"--data={collection.id}={folder / LABELLED}",
            f"--out={bundle}",
            f"--folder={folder / 'run'}",
            f"--cache={folder / 'cache'}",
            f"--seed={inputs.seed}",
            f"--train-fraction={TRAIN_FRACTION}",
            f"--title={inputs.title or f'{collection.title or collection.id}, {inputs.recipe}'}",
            f"--band-names={','.join(subject.card.bands)}",
            "--progress=json",
            *_overrides(inputs),
        ]
        if any((folder / UNLABELLED).iterdir()):
            arguments.append(f"--unlabelled={folder / UNLABELLED}")
        if recipe.start:
            base = self._models.copy_bundle(subject.live.model, folder / "base")
            arguments.append(f"--from={base}")
        return [*arguments, f"--set=image_size={recipe.size}", "--", inputs.recipe]


def _overrides(inputs: TrainInputs) -> list[str]:
    return [f"--set={name}={_text(value)}" for name, value in inputs.settings.items()]


def _text(value: str | float | bool | None) -> str:
    """A setting as written on the program's command line."""
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
