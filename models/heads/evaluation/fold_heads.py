"""Fit heads that leave out some labelled tiles: `python -m models.heads.evaluation.fold_heads FOLDER`. Free of torch.

The gate evaluates a head that learned from a collection's labels by heads that did not see the tiles they are evaluated on.
FOLDER holds, for L labelled and M unlabelled tiles, K fits and S steps (a head, and heads that were trained on it):

    request.json    `FoldRequest`
    labelled.npy    (L, F) float16 features
    targets.npy     (L, C) bool
    unlabelled.npy  (M, F) float16 features
    uses.npy        (S, K, L) uint8, `LEFT_OUT`, `LEARNED` or `UNLABELLED`: the use of a tile in a fit

The result is heads.npz: `weight` (S, K, D, F) and `bias` (S, K, D), float32. D is that of the trained heads (`starting_head`).
"""

from __future__ import annotations

import sys
from collections import deque
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from models.heads.child_program import run_program
from models.heads.errors import HeadError
from models.heads.fitting.fit_head import Examples, fit_head
from models.heads.head_bundle import read_head
from models.heads.head_recipe import HeadRecipe
from models.heads.linear_head import Head
from models.heads.progress import ProgressCallback
from models.heads.starting_head import starting_head

LEFT_OUT, LEARNED, UNLABELLED = 0, 1, 2


class FoldStep(BaseModel):
    """One training. recipe: changes of the default recipe. rounds: number of rounds that the training chose."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    recipe: dict[str, Any]
    rounds: int
    seed: int = 0


class FoldRequest(BaseModel):
    """The request. base: folder of the bundle whose head the first step starts from."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    base: Path
    steps: tuple[FoldStep, ...]


def main() -> int:
    """The program; returns its exit status."""
    return run_program("Fit heads that leave out some labelled tiles.", fit_folds)


def fit_folds(folder: Path, progress: ProgressCallback) -> dict[str, Any]:
    """Read the input, fit all heads, write them; returns their number.

    Raises:
        HeadError: the input is not valid. BundleError: the base is not valid.
    """
    request = _read_request(folder / "request.json")
    labelled, unlabelled = (np.load(folder / f"{name}.npy").astype(np.float32) for name in ("labelled", "unlabelled"))
    targets, uses = (np.load(folder / f"{name}.npy") for name in ("targets", "uses"))
    seed = request.steps[0].seed if request.steps else 0
    base = starting_head(read_head(request.base), np.concatenate([labelled, unlabelled]), seed)
    heads: list[list[Head]] = []
    for step, each in enumerate(request.steps):
        recipe = HeadRecipe.with_changes(each.recipe)
        starts = heads[-1] if heads else [base] * uses.shape[1]
        heads.append([])
        for number, start in enumerate(starts):
            examples = _examples(labelled, targets, unlabelled, uses[step, number])
            heads[-1].append(_fit(start, examples, recipe, each))
            progress(100 * (step + (number + 1) / len(starts)) / len(request.steps), "fitting heads without some of the labels")
    with (folder / "heads.npz").open("wb") as file:
        np.savez(
            file,
            weight=np.array([[head.weight for head in row] for row in heads], np.float32),
            bias=np.array([[head.bias for head in row] for row in heads], np.float32),
        )
    return {"heads": sum(map(len, heads))}


def _examples(
    labelled: NDArray[np.float32], targets: NDArray[np.bool_], unlabelled: NDArray[np.float32], use: NDArray[np.uint8]
) -> Examples:
    """The examples of a fit. A learned tile whose labels are all those of left-out tiles has no target and is dropped."""
    learned = (use == LEARNED) & targets.any(axis=1)
    return Examples(labelled[learned], targets[learned], np.concatenate([unlabelled, labelled[use == UNLABELLED]]))


def _fit(start: Head, examples: Examples, recipe: HeadRecipe, step: FoldStep) -> Head:
    """The head after the step's rounds; the start itself if fewer than two labels are learned."""
    if examples.targets.any(axis=0).sum() < 2:
        return start
    return deque([start, *islice(fit_head(start, examples, recipe, step.seed), step.rounds)], maxlen=1).pop()


def _read_request(path: Path) -> FoldRequest:
    try:
        return FoldRequest.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise HeadError(f"{path.name}: cannot be read ({' '.join(str(error).split())[:200]})") from None


if __name__ == "__main__":
    sys.exit(main())
