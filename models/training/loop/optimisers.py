"""Optimiser and loop settings of a recipe."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import nn

from models.training.loop.learning_rate import Schedule
from models.training.loop.loop import LoopConfig
from models.training.recipes.recipe import Recipe


def build_optimiser(recipe: Recipe, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """SGD or AdamW of a recipe over the trainable parameters; fused, which is one pass over them instead of five."""
    learning = [parameter for parameter in parameters if parameter.requires_grad]
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(learning, lr=recipe.lr, weight_decay=recipe.weight_decay, fused=True)
    return torch.optim.SGD(
        learning,
        lr=recipe.lr,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov and recipe.momentum > 0,
        weight_decay=recipe.weight_decay,
        fused=True,
    )


def loop_config(
    recipe: Recipe,
    *,
    watch: str | None = None,
    mode: Literal["min", "max"] = "min",
    validate_every: int = 1,
    checkpoint_every: int = 0,
) -> LoopConfig:
    """The loop's settings; watch, mode, validate_every, checkpoint_every: as in `LoopConfig`."""
    return LoopConfig(
        epochs=recipe.epochs,
        schedule=Schedule(recipe.schedule, recipe.epochs, recipe.warmup_epochs, recipe.decay, recipe.decay_every),
        steps_per_epoch=recipe.steps_per_epoch,
        accumulate=recipe.accumulate,
        clip_norm=recipe.clip_norm,
        precision=recipe.precision,
        watch=watch,
        mode=mode,
        patience=recipe.patience,
        validate_every=validate_every,
        checkpoint_every=checkpoint_every,
        seed=recipe.seed,
    )
