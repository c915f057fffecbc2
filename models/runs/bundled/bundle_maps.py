"""All maps that the training of a bundle reads: of each data set and view one file, which later runs and other bundles use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from models.data.samplers import Indices
from models.runs.bundled.middle_maps import LowerPart, View, read_maps
from models.runs.bundled.plan import OPEN, SOURCE_SIZE, Plan
from models.runs.bundled.train_encoder import start_encoder
from models.runs.inputs.material import Material, load_material

Maps = NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class BundleMaps:
    """Images of a bundle's data sets and their middle maps, (N, M, h, w) float16 each, in the order of the material.

    plain: at the bundle's size. training: augmented views for the encoder. pairs: augmented views for the matcher.
    """

    material: Material
    plain: Maps
    training: list[Maps]
    pairs: list[Maps]


def load_plan(plan: Plan, data: Path, cache: Path) -> Material:
    """The data sets of a plan with its split; images are decoded at `SOURCE_SIZE` pixels."""
    folders = {name: data / name for name in plan.sets}
    return load_material(folders, SOURCE_SIZE, cache, train_fraction=plan.train_fraction, same_class=plan.same_class)


def compute_maps(plan: Plan, data: Path, work: Path, console: Console) -> BundleMaps:
    """Read the maps under `work`, and compute those that are missing, with a progress bar."""
    material = load_plan(plan, data, work / "cache")
    plain, *others = read_views(plan, [plan.plain, *plan.training_views, *plan.pair_views], material, work, console)
    return BundleMaps(material, plain, others[: plan.views], others[plan.views :])


def read_views(plan: Plan, views: Sequence[View], material: Material, work: Path, console: Console) -> list[Maps]:
    """The maps of some views of a plan's material; as `compute_maps`."""
    return [np.concatenate([_of_set(material, name, view, work, console) for name in plan.sets]) for view in views]


def judged_set(
    name: str, plan: Plan, maps: BundleMaps, data: Path, work: Path, console: Console
) -> tuple[str, BundleMaps, Indices]:
    """A title, maps and the rows that query each other: the test images of a plan's set, or all images of another one.

    maps: of the plan.
    """
    if name in plan.sets:
        return f"{name}, test images", maps, maps.material.of(name, maps.material.test)
    other = replace(plan, sets=(name,))
    material = load_plan(other, data, work / "cache")
    plain = read_views(other, [plan.plain], material, work, console)[0]
    return f"{name}, unseen", BundleMaps(material, plain, [], []), np.arange(len(material.labels))


@cache
def start_lower() -> LowerPart:
    """The lower part of every bundle's encoder, with the weights that it starts with and keeps. Its export takes seconds."""
    return LowerPart(start_encoder(OPEN.dimension).trunk)


def _of_set(material: Material, name: str, view: View, work: Path, console: Console) -> Maps:
    file = work / "maps" / f"{name}-{view.name}.npy"
    if not file.exists():
        rows = np.flatnonzero(material.sources == material.names.index(name))
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as progress:
            task = progress.add_task(f"maps of {name}, {view.name}", total=len(rows))
            start_lower().maps(material.pixels, rows, view, file, lambda count: progress.advance(task, count))
    return read_maps(file)
