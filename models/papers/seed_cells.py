"""Cells of one setting with several seeds, shown as mean and deviation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from models.evaluation.aggregate import estimate
from models.papers.markdown import number
from models.papers.results import Results

MOST = 10
"""Number of possible seeds: 0 to 9."""
SEEDS: Mapping[str, int] = {"small": 1, "paper": 3}
"""Number of seeds that are run, by scale."""

Pick = Callable[[Mapping[str, Any]], float]


def seeded(prefix: str, seed: int) -> str:
    """The key of the cell of a seed."""
    return f"{prefix}-seed{seed}"


def measured(results: Results, prefix: str) -> list[str]:
    """The keys of the measured cells."""
    return [key for key in (seeded(prefix, seed) for seed in range(MOST)) if results.read(key) is not None]


def values(results: Results, prefix: str, pick: Pick) -> list[float]:
    """One number of each measured cell."""
    return [pick(cell) for key in measured(results, prefix) if (cell := results.read(key)) is not None]


def shown(results: Results, prefix: str, pick: Pick, *, percent: bool = True, digits: int = 2) -> str:
    """The mean of the number as text, with the deviation of several cells; a dash without measured cells."""
    found = values(results, prefix, pick)
    return estimate(found).text(scale=100 if percent else 1, digits=digits) if found else number(None)


def what_was_run(results: Results, prefix: str) -> str:
    """Text about network, images, budget and seeds, from the stored settings."""
    keys = measured(results, prefix)
    settings = results.settings(keys[0]) if keys else None
    if settings is None:
        return "Not run yet."
    recipe = settings["recipe"]
    steps = recipe["steps_per_epoch"]
    budget = f"{recipe['epochs'] * steps} updates" if steps else f"{recipe['epochs']} epochs"
    start = "from ImageNet weights" if settings["imagenet"] else "from scratch"
    seeds = ", ".join(key.rpartition("seed")[2] for key in keys)
    return (
        f"Run: ResNet-18 of width {recipe['width']} {start}, {recipe['image_size']} px, {budget} of {recipe['batch_size']} "
        f"labelled images, SGD at {recipe['lr']:g} ({recipe['schedule']}), seed {seeds}."
    )
