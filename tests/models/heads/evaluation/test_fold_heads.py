"""Heads that leave out some labelled tiles."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.heads.errors import HeadError
from models.heads.evaluation.fold_heads import LEARNED, LEFT_OUT, UNLABELLED, fit_folds
from models.heads.fitting.fit_head import Examples, fit_head
from models.heads.head_bundle import read_head
from models.heads.head_recipe import HeadRecipe
from tests.support.headed import FEATURE, random_head, write_headed_bundle

RECIPE = {"rounds": 2, "steps": 5}


@pytest.fixture
def ask(tmp_path: Path) -> Callable[[NDArray[np.uint8], list[dict[str, Any]]], tuple[Path, Path]]:
    base = write_headed_bundle(tmp_path / "base", random_head(1))
    random = np.random.default_rng(0)

    def write(uses: NDArray[np.uint8], steps: list[dict[str, Any]]) -> tuple[Path, Path]:
        count = uses.shape[2]
        np.save(tmp_path / "labelled.npy", random.normal(size=(count, FEATURE)).astype(np.float16))
        np.save(tmp_path / "unlabelled.npy", random.normal(size=(9, FEATURE)).astype(np.float16))
        np.save(tmp_path / "targets.npy", np.arange(count)[:, None] % 3 == np.arange(3)[None])
        np.save(tmp_path / "uses.npy", uses)
        (tmp_path / "request.json").write_text(json.dumps({"base": str(base), "steps": steps}))
        return tmp_path, base

    return write


def quiet(_percent: float, _message: str) -> None:
    pass


def test_a_fit_learns_its_own_tiles_only(ask: Callable[..., tuple[Path, Path]]) -> None:
    uses = np.full((2, 2, 12), LEARNED, np.uint8)
    uses[:, 0, 6:] = LEFT_OUT
    uses[:, 1, ::3] = UNLABELLED
    folder, base = ask(uses, [{"recipe": RECIPE, "rounds": 1}, {"recipe": RECIPE, "rounds": 2}])
    assert fit_folds(folder, quiet) == {"heads": 4}
    heads = np.load(folder / "heads.npz")
    labelled, unlabelled = (np.load(folder / f"{name}.npy").astype(np.float32) for name in ("labelled", "unlabelled"))
    targets, recipe = np.load(folder / "targets.npy"), HeadRecipe.with_changes(RECIPE)
    kept, moved = np.arange(6), np.flatnonzero(np.arange(12) % 3)
    for number, (rows, others) in enumerate(((kept, unlabelled), (moved, np.concatenate([unlabelled, labelled[::3]])))):
        head = read_head(base)
        examples = Examples(labelled[rows], targets[rows], others)
        for step, rounds in enumerate((1, 2)):
            head = list(fit_head(head, examples, recipe, 0))[rounds - 1]
            np.testing.assert_array_equal(heads["weight"][step, number], head.weight)
            np.testing.assert_array_equal(heads["bias"][step, number], head.bias)


def test_a_single_label_teaches_nothing(ask: Callable[..., tuple[Path, Path]]) -> None:
    uses = np.full((1, 1, 12), LEFT_OUT, np.uint8)
    uses[0, 0, ::3] = LEARNED
    folder, base = ask(uses, [{"recipe": RECIPE, "rounds": 2}])
    fit_folds(folder, quiet)
    np.testing.assert_array_equal(np.load(folder / "heads.npz")["weight"][0, 0], read_head(base).weight)


def test_a_bad_request_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(HeadError, match=r"request\.json: cannot be read"):
        fit_folds(tmp_path, quiet)
