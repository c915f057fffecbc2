"""Run a task by its recipe to the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from models.data.batches import Batches
from models.training.callbacks import Callback, Outcome
from models.training.distributed import Process
from models.training.loop import Loop, Validate, load_best
from models.training.optimisers import build_optimiser, loop_config
from models.training.recipe import Recipe
from models.training.task import BatchT, Task


def run_whole(
    recipe: Recipe,
    task: Task[BatchT],
    batches: Batches[BatchT],
    *,
    folder: Path | None = None,
    callbacks: Sequence[Callback] = (),
    validate: Validate | None = None,
    validate_every: int = 1,
    watch: str | None = None,
    checkpoint_every: int = 0,
    process: Process | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Outcome:
    """Train; the task ends in evaluation mode, with the weights of its best epoch where the recipe stops early.

    folder: of checkpoints; a run that was cut off goes on from there, and one that is done is only read again. validate: asked
    every `validate_every` epochs; watch: which of its measures says what is best, higher is better, None for the mean training
    loss.

    Raises:
        CheckpointError, DivergedError: see `Loop.run`.
    """
    mode: Literal["max", "min"] = "max" if watch else "min"
    loop = Loop(
        task,
        batches,
        build_optimiser(recipe, task.parameters()),
        loop_config(recipe, watch=watch, mode=mode, validate_every=validate_every, checkpoint_every=checkpoint_every),
        process=process,
        folder=folder,
        callbacks=callbacks,
        validate=validate,
        should_stop=should_stop,
    )
    outcome = loop.run()
    if recipe.patience is not None and folder is not None:
        load_best(folder, task)
    task.eval()
    return outcome
