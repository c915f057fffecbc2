"""`python -m models.runs.evaluate`: bundles to reports."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from app.inference.local_models import BUNDLED
from models.runs.evaluate import main
from tests.models.runs.conftest import Workshop, finish
from tests.support.image_folders import write_class_folders

Run = Callable[[Callable[[], int], Sequence[str]], int]

WITHOUT_TORCH = """
import sys
from app.inference.local_models import BUNDLED
from models.runs.evaluate import main
status = main()
assert "torch" not in sys.modules
sys.exit(status)
"""


def arguments(trained: Workshop, out: Path, *more: str) -> list[str]:
    fixed = [f"--data={trained.data}", f"--out={out}", f"--cache={trained.cache}", "--threads=1", "--no-map"]
    return [str(trained.models / "straight"), *fixed, *more]


def report(out: Path) -> Any:
    return json.loads((out / "report.json").read_text(encoding="utf-8"))


def test_it_measures_what_the_training_measured_without_torch(trained: Workshop, tmp_path: Path) -> None:
    program = [sys.executable, "-c", WITHOUT_TORCH, *arguments(trained, tmp_path)]
    finish(program)
    numbers, values = report(tmp_path), trained.card("straight")["metrics"]["shapes"]["values"]
    assert numbers["warnings"] == []
    # The training measured the network, this one its int8 graph, on 36 images.
    assert numbers["retrieval"]["mean_average_precision"] == pytest.approx(values["map"], abs=0.03)
    assert numbers["retrieval"]["anmrr"] == pytest.approx(values["anmrr"], abs=0.03)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "straight on shapes" in page
    assert "that of the training, seed 0" in page


def test_a_bundle_with_a_matcher_shows_what_re_ranking_gains_and_what_the_matcher_sees(
    trained: Workshop, run: Run, tmp_path: Path
) -> None:
    more = arguments(trained, tmp_path, "--protocol=unseen")
    assert run(main, [str(BUNDLED / "dyad-rgb-128"), *more[1:]]) == 0
    assert report(tmp_path)["rerank"]["weight"] > 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert [title for title in ("Re-ranking", "Feature maps") if f"<h2>{title}</h2>" in page] == ["Re-ranking", "Feature maps"]


def test_training_images_that_query_are_told(
    trained: Workshop, run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(main, arguments(trained, tmp_path / "unseen", "--protocol=unseen")) == 0
    assert report(tmp_path / "unseen")["warnings"] == [
        "the model was trained on 30 of the 36 queries: the results are too optimistic"
    ]
    assert "warning: the model was trained on 30 of the 36 queries" in capfd.readouterr().err
    assert run(main, arguments(trained, tmp_path / "seed", "--seed=5")) == 0
    assert "was trained on" in report(tmp_path / "seed")["warnings"][0]


def test_other_images_of_that_name_are_suspect_and_new_ones_are_not(trained: Workshop, run: Run, tmp_path: Path) -> None:
    other = write_class_folders(tmp_path / "shapes", {"a": 5, "b": 12}, count=6, seed=1)
    suspect, new = (arguments(trained, tmp_path / out, "--protocol=unseen") for out in ("suspect", "new"))
    assert run(main, [*suspect, f"--data={other}"]) == 0
    assert "does not record the images" in report(tmp_path / "suspect")["warnings"][0]
    assert run(main, [*new, f"--data=new={other}"]) == 0
    assert report(tmp_path / "new")["warnings"] == []


@pytest.mark.parametrize(
    ("more", "status", "reason"),
    [
        (["--protocol=C-1"], 2, "unknown protocol 'C-1'"),
        (["--classes=fine", "--without-classes=coarse"], 2, "exclude each other"),
        (["--classes=lakes"], 1, "no such classes: lakes"),
        (["--bands=1,2"], 1, "takes 3 bands"),
        (["--data=nowhere"], 2, "no such folder"),
    ],
)
def test_what_is_wrong_is_one_line(
    trained: Workshop, run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str], more: list[str], status: int, reason: str
) -> None:
    assert run(main, arguments(trained, tmp_path / "out", *more)) == status
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("dyad: ")
    assert reason in line
    assert not (tmp_path / "out").exists()
