"""Run a task by its recipe to the end."""

from __future__ import annotations

from typing import Literal

from models.data.batches import Batches
from models.runs.networks.conduct import Conduct
from models.training.loop.callbacks import Outcome
from models.training.loop.loop import Loop, Validate, load_best
from models.training.loop.optimisers import build_optimiser, loop_config
from models.training.loop.task import BatchT, Task
from models.training.recipes.recipe import Recipe


def run_whole(
    recipe: Recipe,
    task: Task[BatchT],
    batches: Batches[BatchT],
    conduct: Conduct,
    *,
    validate: Validate | None = None,
    validate_every: int = 1,
    watch: str | None = None,
) -> Outcome:
    """Train; the task ends in evaluation mode, with the weights of its best epoch where the recipe stops early.

    validate: asked every `validate_every` epochs; watch: which of its measures says what is best, higher is better, None for
    the mean training loss.

    Raises:
        CheckpointError, DivergedError: see `Loop.run`.
    """
    mode: Literal["max", "min"] = "max" if watch else "min"
    every = conduct.checkpoint_every
    loop = Loop(
        task,
        batches,
        build_optimiser(recipe, task.parameters()),
        loop_config(recipe, watch=watch, mode=mode, validate_every=validate_every, checkpoint_every=every),
        process=conduct.process,
        folder=conduct.folder,
        callbacks=conduct.callbacks,
        validate=validate,
        should_stop=conduct.should_stop,
    )
    outcome = loop.run()
    if recipe.patience is not None and conduct.folder is not None:
        load_best(conduct.folder, task)
    task.eval()
    return outcome
