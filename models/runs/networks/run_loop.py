"""Run the training loop of a recipe."""

from __future__ import annotations

from typing import Literal

from models.data.batches import Batches
from models.runs.networks.run_options import RunOptions
from models.runs.networks.validation_loss import VALIDATION_LOSS
from models.training.loop.callbacks import Outcome
from models.training.loop.loop import Loop, Validate, load_best
from models.training.loop.optimisers import build_optimiser, loop_config
from models.training.loop.task import BatchT, Task
from models.training.recipes.recipe import Recipe


def run_loop(
    recipe: Recipe,
    task: Task[BatchT],
    batches: Batches[BatchT],
    options: RunOptions,
    *,
    validate: Validate | None = None,
    validate_every: int = 1,
    watch: str | None = None,
) -> Outcome:
    """Train a task, which ends in evaluation mode, with the weights of its best epoch if the recipe stops early.

    validate: called every `validate_every` epochs; watch: its metric that selects the best epoch, higher is better except for
    `VALIDATION_LOSS`; None: the mean training loss.

    Raises:
        CheckpointError, DivergedError: see `Loop.run`.
    """
    mode: Literal["max", "min"] = "min" if watch in (None, VALIDATION_LOSS) else "max"
    every = options.checkpoint_every
    loop = Loop(
        task,
        batches,
        build_optimiser(recipe, task.parameters()),
        loop_config(recipe, watch=watch, mode=mode, validate_every=validate_every, checkpoint_every=every),
        process=options.process,
        folder=options.folder,
        callbacks=options.callbacks,
        validate=validate,
        should_stop=options.should_stop,
    )
    outcome = loop.run()
    if recipe.patience is not None and options.folder is not None:
        load_best(options.folder, task)
    task.eval()
    return outcome
