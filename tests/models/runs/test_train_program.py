"""`python -m models.runs.train`: recipes to bundles."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from PIL import Image

from models.export.write_bundle import read_bundle
from models.runs.train import main
from models.training.recipes.named_recipes import RECIPES
from tests.models.runs.conftest import FAST, RECIPE, Workshop, command, environment, finish

Run = Callable[[Callable[[], int], Sequence[str]], int]


def test_the_bundle_says_what_it_was_trained_on_and_how_well(trained: Workshop) -> None:
    card = trained.card("straight")
    assert card["id"] == "straight"
    assert card["training_data"] == "shapes (30 images): free for all"
    assert card["bands"] == ["red", "green", "blue"]
    assert (card["input_size"], card["encoder"]["width"]) == (32, 8)
    assert card["recipe"]["loss"] == {"name": "nsl", "tau": 0.05}
    measured = card["metrics"]["shapes"]
    assert measured["protocol"].startswith("A-80: residual-dyad")
    assert measured["values"]["map"] > 0.5
    assert card["splits"]["sets"]["shapes"]["images"] == 36
    assert [path.name for path in trained.models.iterdir() if path.name.startswith(".straight")] == []


def test_ctrl_c_saves_and_the_same_command_goes_on_to_the_same_bits(trained: Workshop) -> None:
    arguments = trained.arguments("stopped", *RECIPE, "--terms=free for all", "--progress=json")
    program = command("models.runs.train", arguments)
    with subprocess.Popen(program, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if json.loads(line)["event"] == "epoch":
                child.send_signal(signal.SIGINT)
        assert child.stderr is not None
        error = child.stderr.read()
        status = child.wait(300)
    assert status == 130, error
    assert not (trained.models / "stopped").exists()
    assert (trained.models / ".stopped.training" / "run.json").exists()
    events = [json.loads(line) for line in finish(program).splitlines()]
    (start,) = [event for event in events if event["event"] == "start"]
    assert start["start"] > 0
    assert events[-1] == {"event": "message", "text": f"wrote {trained.models / 'stopped'}"}
    files = trained.card("stopped")["files"]
    assert files["weights.safetensors"] == trained.card("straight")["files"]["weights.safetensors"]


def test_two_processes_train_one_bundle(workshop: Workshop) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m"]
    unlabelled = ("--labelled=0.5", "--set=unlabelled_batch_size=8", "--set=epochs=1", *FAST)
    arguments = workshop.arguments("joint", "hr-s2dml", *unlabelled, "--device=cpu")
    finish([*torchrun, "models.runs.train", *arguments])
    card = workshop.card("joint")
    assert card["metrics"]["shapes"]["protocol"].startswith("B-50: HR-S2DML")
    assert [each["images"] for each in card["training_sets"]] == [18, 18]


def test_autoencoder_then_siamese(workshop: Workshop, run: Run) -> None:
    assert run(main, workshop.arguments("ae", "resdyad-ae", "--set=epochs=1", *FAST)) == 0
    autoencoder = read_bundle(workshop.models / "ae")
    assert autoencoder.card.encoder.name == "resdyad-ae"
    assert autoencoder.matcher is None
    with Image.open(workshop.models / "ae-reconstructions.jpg") as sheet:
        assert sheet.height > sheet.width  # a row of three for each of the test images
    more = (f"--from={workshop.models / 'ae'}", "--validation=0.2", "--set=epochs=1", *FAST)
    assert run(main, workshop.arguments("pairs", "siamese", *more)) == 0
    siamese = read_bundle(workshop.models / "pairs")
    assert siamese.matcher is not None
    assert siamese.matcher.fusion is not None
    assert siamese.card.splits["before"] == autoencoder.card.splits


def test_a_matcher_leaves_its_encoder_as_it_is(trained: Workshop, run: Run) -> None:
    more = (f"--from={trained.models / 'straight'}", "--validation=0.2", "--set=epochs=1", "--set=batch_size=8", "--threads=1")
    assert run(main, trained.arguments("matched", "default-matcher", *more)) == 0
    before, after = read_bundle(trained.models / "straight"), read_bundle(trained.models / "matched")
    for name, weight in before.encoder.state_dict().items():
        assert weight.equal(after.encoder.state_dict()[name]), name
    assert after.card.recipe == before.card.recipe
    assert after.card.matcher_recipe == {
        **RECIPES["default-matcher"].model_dump(mode="json"),
        **_fitted(after.card.matcher_recipe),
    }
    assert after.matcher is not None
    assert set(after.card.metrics) == {"shapes", "rerank, shapes", "calibration"}


def _fitted(recipe: dict[str, object] | None) -> dict[str, object]:
    """What a matcher's recipe takes from its encoder and the command line."""
    assert recipe is not None
    return {name: recipe[name] for name in ("backbone", "width", "image_size", "epochs", "batch_size")}


@pytest.mark.parametrize(
    ("arguments", "status", "reason"),
    [
        (["nothing-like-it"], 2, "no recipe is called"),
        (["nsl", "--set=epochs=many"], 2, "epochs: "),
        (["hr-s2dml", *FAST], 2, "needs unlabelled images; give --labelled"),
        (["default-matcher"], 2, "needs a trained encoder; give --from"),
        (["resdyad-ae", "--size=40", "--set=width=8"], 2, "is not a multiple of 32"),
        (["nsl", *FAST, "--bands=4"], 1, "there is no band"),
        (["nsl", *FAST, "--without-classes=lakes"], 1, "no data set has the class lakes"),
        (["nsl", *FAST, "--weights=nowhere.pth"], 1, "nowhere.pth: No such file"),
        (["resdyad-ae", *FAST, "--set=lr=100", "--set=epochs=20"], 1, "lower the learning rate"),
    ],
)
def test_what_is_wrong_is_one_line(
    workshop: Workshop, run: Run, capfd: pytest.CaptureFixture[str], arguments: list[str], status: int, reason: str
) -> None:
    assert run(main, workshop.arguments("wrong", *arguments)) == status
    last = capfd.readouterr().err.splitlines()[-1]
    assert last.startswith("dyad: ")
    assert reason in last
    assert not (workshop.models / "wrong").exists()


def test_a_folder_of_another_run_is_left_alone(
    trained: Workshop, run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = f"--folder={tmp_path / 'run'}"
    assert run(main, trained.arguments("one", *RECIPE, "--set=epochs=1", folder)) == 0
    assert (tmp_path / "run" / "log.jsonl").exists()
    assert run(main, trained.arguments("two", *RECIPE, "--set=epochs=1", "--set=loss.tau=0.1", folder)) == 1
    assert "other values of recipe.loss.tau" in capfd.readouterr().err
    assert run(main, trained.arguments("two", *RECIPE, "--set=epochs=1", "--set=loss.tau=0.1", folder, "--no-resume")) == 0


def test_every_recipe_is_listed(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, ["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(RECIPES)
    assert all(len(line) < 180 for line in lines)


def test_what_the_begun_model_has_seen_is_told(trained: Workshop, run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    more = (f"--from={trained.models / 'straight'}", "--train-fraction=0.5", "--validation=0.1", "--set=epochs=1", *FAST)
    assert run(main, trained.arguments("again", "nsl", *more)) == 0
    told = capfd.readouterr().err
    assert "straight was trained on 12 of the test images of shapes" in told
    assert "straight was trained on the validation images of shapes" in told
    assert read_bundle(trained.models / "again").card.splits["before"]["train_fraction"] == 0.8
