"""The program as the service runs it: a folder of arrays in, a bundle and one last line out."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.inference.bundles import check_bundle
from app.inference.onnx import OnnxInference
from models.bundle.errors import BundleError
from models.heads.errors import HeadError
from models.heads.evaluation.recalibrate import FEWEST_MATCHES
from models.heads.train import train_head
from tests.support.head_inputs import FAST, Workshop, write_inputs
from tests.support.process import ROOT, environment
from tests.support.tiles import CLASSES

COMMAND = (sys.executable, "-m", "models.heads.train")


def run(folder: Path) -> tuple[int, list[dict[str, Any]], str]:
    done = subprocess.run([*COMMAND, str(folder)], cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def refuse(folder: Path) -> str:
    """Why a run cannot work, in this process; it leaves no bundle."""
    with pytest.raises((HeadError, BundleError)) as caught:
        train_head(folder, lambda *_: None)
    assert not list((folder / "bundle").glob("*"))
    return str(caught.value)


@pytest.fixture(scope="module")
def trained(workshop: Workshop) -> tuple[Path, dict[str, Any], list[dict[str, Any]]]:
    """A folder after a good run, its result, and the lines before."""
    folder = workshop.folder("good")
    code, lines, errors = run(folder)
    assert code == 0, errors
    return folder, lines[-1]["result"], lines[:-1]


def test_a_bundle_and_what_it_is_worth(workshop: Workshop, trained: tuple[Path, dict[str, Any], list[dict[str, Any]]]) -> None:
    folder, result, progress = trained
    labelled = workshop.tiles.labels.any(axis=1)
    assert (result["model"], result["base"]) == ("learned-1", "dyad-rgb-128")
    assert result["labelled"] == int(np.sum(labelled & ~workshop.held_out))
    assert result["unlabelled"] == int(np.sum(~labelled & ~workshop.held_out))
    assert sum(result["classes"].values()) == result["labelled"]
    assert result["metrics"]["queries"] == int(np.sum(labelled & workshop.held_out))
    before, after = (result["metrics"][when]["mean_average_precision"] for when in ("before", "after"))
    assert after > before
    assert [set(line) for line in progress] == [{"progress", "message"}] * len(progress)
    percents = [line["progress"] for line in progress]
    assert percents == sorted(percents)
    card = check_bundle(folder / "bundle" / "learned-1")
    assert card.title == "Textures"
    assert card.training_data.endswith("textures (72 images): not stated")
    assert card.metrics["held-out tiles"]["values"]["mean_average_precision_after"] == after
    assert [path.name for path in (folder / "bundle").iterdir()] == ["learned-1"]


def test_the_matcher_is_recalibrated_for_the_new_head(trained: tuple[Path, dict[str, Any], list[dict[str, Any]]]) -> None:
    folder, result, _ = trained
    assert result["notes"] == []
    assert result["pairs"] > 2 * FEWEST_MATCHES
    matcher = check_bundle(folder / "bundle" / "learned-1").matcher
    assert matcher is not None
    assert matcher.calibration is not None
    assert matcher.fusion is not None
    assert matcher.calibration.model_dump() == result["calibration"]
    assert (matcher.fusion.weight, matcher.fusion.depth) == (result["fusion"]["weight"], 100)


def test_the_same_inputs_make_the_same_head(workshop: Workshop, trained: tuple[Path, dict[str, Any], Any]) -> None:
    folder, result, _ = trained
    again = workshop.folder("again")
    code, lines, _ = run(again)
    assert code == 0
    assert lines[-1]["result"]["metrics"] == result["metrics"]
    name = Path("bundle", "learned-1", "head.npz")
    assert (folder / name).read_bytes() == (again / name).read_bytes()


def test_a_head_of_a_head(workshop: Workshop, trained: tuple[Path, dict[str, Any], Any], tmp_path: Path) -> None:
    first = trained[0] / "bundle" / "learned-1"
    tiles = workshop.tiles
    embeddings = OnnxInference(first, threads=1).embed(tiles.pixels).embedding
    encoded = workshop.encoded._replace(embeddings=embeddings)
    folder = write_inputs(
        tmp_path, first, encoded, tiles.pixels, tiles.labels, CLASSES, workshop.held_out, id="learned-2", recipe=FAST
    )
    code, lines, errors = run(folder)
    assert code == 0, errors
    assert lines[-1]["result"]["base"] == "learned-1"
    cards = [check_bundle(each) for each in (first, folder / "bundle" / "learned-2")]
    assert len({json.loads((f / "card.json").read_text())["encoder_digest"] for f in (first, folder / "bundle/learned-2")}) == 1
    assert cards[0].files["encoder.onnx"] != cards[1].files["encoder.onnx"]


def test_tiles_of_several_labels_and_no_pixels(workshop: Workshop) -> None:
    striped = workshop.tiles.labels[:, :2].any(axis=1, keepdims=True)
    labels = np.concatenate([workshop.tiles.labels, striped, np.zeros_like(striped)], axis=1)
    folder = workshop.folder("several", labels, [*CLASSES, "striped", "nowhere"])
    (folder / "rows.npy").unlink()
    code, lines, errors = run(folder)
    assert code == 0, errors
    result = lines[-1]["result"]
    assert result["classes"]["striped"] == result["classes"]["coarse"] + result["classes"]["fine"]
    assert "nowhere" not in result["classes"]
    assert (result["pairs"], result["metrics"]["rerank"]) == (0, None)


def test_few_labels_keep_the_calibration_of_the_base(workshop: Workshop) -> None:
    labels = np.zeros_like(workshop.tiles.labels)
    labels[[1, 4, 2, 8]] = workshop.tiles.labels[[1, 4, 2, 8]]  # two of two classes, none held out
    folder = workshop.folder("few", labels)
    code, lines, errors = run(folder)
    assert code == 0, errors
    result = lines[-1]["result"]
    assert result["metrics"] is None
    assert any("too few labelled tiles to recalibrate" in note for note in result["notes"])
    assert any("not evaluated" in note for note in result["notes"])
    base = check_bundle(workshop.bundle).matcher
    assert check_bundle(folder / "bundle" / "learned-1").matcher == base


def _no_labels(workshop: Workshop, folder: Path) -> None:
    np.save(folder / "labels.npy", np.zeros_like(workshop.tiles.labels))


def _one_class(workshop: Workshop, folder: Path) -> None:
    labels = workshop.tiles.labels.copy()
    labels[:, 1:] = False
    np.save(folder / "labels.npy", labels)


def _without_features(_: Workshop, folder: Path) -> None:
    (folder / "features.npy").unlink()


def _narrow_features(workshop: Workshop, folder: Path) -> None:
    np.save(folder / "features.npy", workshop.encoded.features[:, :100])


def _broken_features(workshop: Workshop, folder: Path) -> None:
    features = workshop.encoded.features.copy()
    features[1] = np.inf
    np.save(folder / "features.npy", features)


def _cut_labels(workshop: Workshop, folder: Path) -> None:
    np.save(folder / "labels.npy", workshop.tiles.labels[:-1])


def _no_manifest(_: Workshop, folder: Path) -> None:
    (folder / "manifest.json").unlink()


def _no_bundle(_: Workshop, folder: Path) -> None:
    (folder / "manifest.json").write_text(json.dumps({"id": "x", "bundle": str(folder), "classes": list(CLASSES)}))


def _no_arrays(_: Workshop, folder: Path) -> None:
    (folder / "held_out.npy").write_bytes(b"no array")


def _wrong_rows(_: Workshop, folder: Path) -> None:
    rows = np.load(folder / "rows.npy")
    np.save(folder / "rows.npy", np.full_like(rows, rows[0]))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_no_labels, "too few labels to train on: none. A head needs at least 2 labels with 2 tiles each"),
        (_one_class, "too few labels to train on: coarse: 24"),
        (_without_features, "these tiles have no stored features"),
        (_narrow_features, "features.npy: float16 of 120 x 100; the model and the tiles need float16 of 120 x 384"),
        (_broken_features, "a feature is not finite"),
        (_cut_labels, "embeddings.npy: float32 of 120 x 128; the model and the tiles need float32 of 119 x 128"),
        (_no_manifest, "manifest.json: cannot be read"),
        (_no_bundle, "there is no card.json in it"),
        (_no_arrays, "held_out.npy: cannot be read"),
        (_wrong_rows, "rows.npy: rows must be different and within 0..119"),
    ],
)
def test_what_cannot_work_is_refused(workshop: Workshop, spoil: Callable[[Workshop, Path], None], reason: str) -> None:
    folder = workshop.folder(spoil.__name__)
    spoil(workshop, folder)
    assert reason in refuse(folder)


def test_the_program_says_it_in_its_last_line(workshop: Workshop) -> None:
    folder = workshop.folder("one-class")
    _one_class(workshop, folder)
    code, lines, errors = run(folder)
    assert (code, errors) == (1, "")
    assert list(lines[-1]) == ["error"]
    assert lines[-1]["error"].startswith("too few labels to train on: coarse: 24.")


def test_a_wrong_recipe_and_a_wrong_id_are_refused(workshop: Workshop) -> None:
    assert "recipe: speed" in refuse(workshop.folder("wrong-recipe", recipe={"speed": 9}))
    for wrong in ("", "../up", ".hidden", "x" * 65):
        assert "is not a valid id" in refuse(workshop.folder("bad-id", id=wrong))


def test_an_id_that_is_taken_is_refused(workshop: Workshop) -> None:
    folder = workshop.folder("taken")
    (folder / "bundle" / "learned-1").mkdir(parents=True)
    with pytest.raises(BundleError, match="exists; choose another id"):
        train_head(folder, lambda *_: None)


def test_sigterm_ends_it_within_a_second_and_leaves_no_half_bundle(workshop: Workshop) -> None:
    folder = workshop.folder("stopped", recipe={"rounds": 500, "steps": 50})
    with subprocess.Popen(
        [*COMMAND, str(folder)], cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        while json.loads(child.stdout.readline())["progress"] < 5:
            pass
        child.send_signal(signal.SIGTERM)
        assert child.wait(30) == 128 + signal.SIGTERM
        assert child.stderr.read() == ""
        assert "result" not in child.stdout.read()
    assert not (folder / "bundle").exists() or not any((folder / "bundle").iterdir())


def test_nothing_of_it_imports_torch() -> None:
    code = "import sys, models.heads.train; print('torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
