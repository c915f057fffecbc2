"""The report of a collection: files in, a page, numbers and one last line out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.evaluation.metrics.retrieval import retrieval_metrics
from models.heads.errors import HeadError
from models.heads.evaluate import evaluate_collection
from models.heads.train import train_head
from tests.support.head_inputs import Workshop, write_inputs
from tests.support.process import ROOT, environment
from tests.support.tiles import CLASSES

COMMAND = (sys.executable, "-m", "models.heads.evaluate")


def measure(folder: Path) -> dict[str, Any]:
    """In this process."""
    return evaluate_collection(folder, lambda *_: None)


@pytest.fixture(scope="module")
def evaluated(workshop: Workshop) -> tuple[Path, dict[str, Any]]:
    """A folder after a run of the real program, and its result."""
    folder = workshop.folder("evaluated")
    (folder / "features.npy").unlink()  # the service writes none
    done = subprocess.run([*COMMAND, str(folder)], cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *progress, last = (json.loads(line) for line in done.stdout.splitlines())
    percents = [line["progress"] for line in progress]
    assert percents == sorted(percents)
    return folder, last["result"]


def test_figures_are_those_of_the_metrics(workshop: Workshop, evaluated: tuple[Path, dict[str, Any]]) -> None:
    _, result = evaluated
    rows = np.flatnonzero(workshop.tiles.labels.any(axis=1))
    names = workshop.tiles.labels[rows].argmax(axis=1)
    embeddings = workshop.encoded.embeddings[rows]
    wanted = retrieval_metrics(embeddings, names, embeddings, names, exclude_self=True)
    assert result["metrics"]["map"] == pytest.approx(wanted.mean_average_precision)
    assert result["metrics"]["precision_at_10"] == pytest.approx(wanted.precision_at[10])
    assert result["queries"] == len(rows)
    assert set(result["classes"]) == set(CLASSES)
    assert result["warnings"] == []
    assert 0.5 < result["open_set"]["auroc"] <= 1
    assert result["open_set"]["queries"] > 10


def test_reranking_is_judged_by_the_cards_weight(evaluated: tuple[Path, dict[str, Any]]) -> None:
    _, result = evaluated
    rerank = result["rerank"]
    assert (rerank["weight"], rerank["depth"]) == (pytest.approx(1.0656 / 9.0943, rel=1e-3), 89)
    assert rerank["map_before"] == rerank["before"]["mean_average_precision"]
    assert rerank["map_after"] == rerank["after"]["mean_average_precision"]
    measures = ("precision_at_10", "precision_at_50", "map_at_depth")
    gain = sum(rerank["after"][measure] - rerank["before"][measure] for measure in measures) / 3
    assert rerank["helps"] == (gain >= -0.0005)
    assert 0 <= result["calibration"]["ece"] <= 1
    assert result["calibration"]["pairs"] == 45 * 89


def test_a_page_and_numbers_are_written(evaluated: tuple[Path, dict[str, Any]]) -> None:
    folder, result = evaluated
    page = (folder / "report.html").read_text()
    for part in ("Retrieval", "Examples", "Classes", "Re-ranking", "Calibration", "Map", "Confusion", "Dyad RGB on Textures"):
        assert part in page
    numbers = json.loads((folder / "metrics.json").read_text())
    assert numbers["retrieval"]["mean_average_precision"] == result["metrics"]["map"]
    assert numbers["calibration"]["by_platt"]["error"] == result["calibration"]["ece"]
    assert not (folder / "report.json").exists()


@pytest.fixture(scope="module")
def learned(workshop: Workshop) -> Path:
    """A bundle whose head was trained on the collection's labels."""
    folder = workshop.folder("learned")
    train_head(folder, lambda *_: None)
    return folder / "bundle" / "learned-1"


def _with(workshop: Workshop, bundle: Path, folder: Path, held_out: NDArray[np.bool_]) -> Path:
    tiles = workshop.tiles
    return write_inputs(folder, bundle, workshop.encoded, tiles.pixels, tiles.labels, CLASSES, held_out, collection="textures")


def test_a_model_that_learned_from_the_collection_is_asked_for_held_out_tiles(
    workshop: Workshop, learned: Path, tmp_path: Path
) -> None:
    result = measure(_with(workshop, learned, tmp_path, workshop.held_out))
    assert result["queries"] == int(np.sum(workshop.held_out & workshop.tiles.labels.any(axis=1)))
    assert "held out of all training" in result["protocol"]


def test_too_few_held_out_tiles_are_said(workshop: Workshop, learned: Path, tmp_path: Path) -> None:
    held_out = np.arange(len(workshop.held_out)) < 4
    result = measure(_with(workshop, learned, tmp_path, held_out))
    assert result["queries"] == 90
    assert "3 held-out tiles are too few" in result["warnings"][0]
    assert "too few to evaluate" in (tmp_path / "report.html").read_text()


def test_tiles_of_several_labels_without_pixels(workshop: Workshop) -> None:
    striped = workshop.tiles.labels[:, :2].any(axis=1, keepdims=True)
    folder = workshop.folder("several-labels", np.concatenate([workshop.tiles.labels, striped], axis=1), [*CLASSES, "striped"])
    (folder / "rows.npy").unlink()
    result = measure(folder)
    assert set(result["classes"]) == {*CLASSES, "striped"}
    assert (result["rerank"], result["calibration"]) == (None, None)
    page = (folder / "report.html").read_text()
    assert "tiles with several labels" in page
    assert "Examples" not in page


def test_pixels_of_some_tiles_only(workshop: Workshop) -> None:
    folder = workshop.folder("some-pixels")
    for name in ("rows", "pairs", "pixels"):
        np.save(folder / f"{name}.npy", np.load(folder / f"{name}.npy")[:12])
    result = measure(folder)
    assert result["queries"] == 90
    assert result["rerank"]["queries"] == 12


def test_four_tiles_are_enough(workshop: Workshop) -> None:
    labels = np.zeros_like(workshop.tiles.labels)
    labels[[1, 4, 2, 8]] = workshop.tiles.labels[[1, 4, 2, 8]]
    result = measure(workshop.folder("four", labels))
    assert result["queries"] == 4
    assert set(result["classes"]) == {"fine", "plain"}


def test_labels_that_nothing_shares_are_refused(workshop: Workshop) -> None:
    labels = np.zeros_like(workshop.tiles.labels)
    labels[:3] = np.eye(3, dtype=bool)
    with pytest.raises(HeadError, match="at least two labels need two tiles"):
        measure(workshop.folder("nothing-shared", labels))
    labels[:] = False
    labels[:, 0] = True
    with pytest.raises(HeadError, match="at least two labels need two tiles"):
        measure(workshop.folder("one-kind", labels))


def test_nothing_of_it_imports_torch() -> None:
    code = "import sys, models.heads.evaluate; print('torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
