"""`dyad train` and `dyad evaluate`: programs of the learning side behind the command."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.cli.run_program import as_arguments, check_installed, find_bundle
from app.errors import NotFound, StartupError
from tests.support.command import TIMEOUT
from tests.support.image_folders import write_class_folders
from tests.support.process import COMMAND, ROOT, environment

if TYPE_CHECKING:
    from tests.support.command import Dyad

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="the extra `train` is not installed: nothing trains here"
)
QUICK = ("--size=32", "--set=width=8", "--set=batch_size=8", "--threads=1")


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_class_folders(tmp_path_factory.mktemp("data") / "shapes", {"coarse": 16, "fine": 4}, count=12)


@needs_torch
def test_a_model_is_trained_stopped_resumed_listed_and_evaluated(dyad: Dyad, shapes: Path, tmp_path: Path) -> None:
    home, cache = f"--home={tmp_path / 'home'}", f"--cache={tmp_path / 'cache'}"
    arguments = ["train", "nsl", f"--data={shapes}", "--out=mine", "--set=epochs=40", "--progress=json", cache, home, *QUICK]
    program = [*COMMAND, *arguments]
    with subprocess.Popen(
        program, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        events = (json.loads(line)["event"] for line in child.stdout)
        assert "epoch" in events  # reads up to the first
        child.send_signal(signal.SIGINT)
        _, error = child.communicate(timeout=TIMEOUT)
    assert child.returncode == 130, error
    bundle = tmp_path / "home" / "models" / "mine"
    assert not bundle.exists()
    done = dyad(*arguments[:3], "--out=mine", "--set=epochs=40", cache, home, *QUICK)
    assert done.code == 0, done.err
    assert "dyad index my-images" in done.out
    models = dyad("models", "list", "--json", home).json["models"]
    assert "mine" in [model["id"] for model in models]
    measured = dyad("evaluate", "mine", f"--data={shapes}", f"--out={tmp_path / 'report'}", "--no-map", cache, home)
    assert measured.code == 0, measured.err
    assert (tmp_path / "report" / "report.html").stat().st_size > 10_000


@needs_torch
def test_failures_come_through(dyad: Dyad, shapes: Path, tmp_path: Path) -> None:
    wrong = dyad("train", "nothing", f"--data={shapes}", f"--out={tmp_path / 'm'}")
    assert (wrong.code, wrong.out) == (2, "")
    assert wrong.err_lines[-1].startswith("dyad: no recipe is called 'nothing'")


def test_recipes_are_listed_without_torch(dyad: Dyad) -> None:
    listed = dyad("train", "--list")
    assert listed.code == 0, listed.err
    assert {"hr-s2dml", "nsl-margin", "resdyad-ae", "default"} <= {line.split()[0] for line in listed.out.splitlines()}


def test_what_is_missing_is_said(dyad: Dyad, tmp_path: Path) -> None:
    assert dyad("train", "nsl").code == 2
    unknown = dyad("evaluate", "nobody", f"--data={tmp_path}", f"--out={tmp_path / 'r'}", f"--home={tmp_path / 'home'}")
    assert unknown.code == 1
    assert "no such model" in unknown.err_lines[-1]
    with pytest.raises(StartupError, match=r'no_such_module is not installed; pip install "dyad\[train\]"'):
        check_installed("json", "no_such_module")


def test_bundles_are_found_by_folder_and_by_id(tmp_path: Path) -> None:
    for folder in (tmp_path / "elsewhere", tmp_path / "home" / "models" / "mine"):
        folder.mkdir(parents=True)
        (folder / "card.json").write_text("{}")
        assert find_bundle(str(folder), tmp_path / "home") == folder
    assert find_bundle("mine", tmp_path / "home") == tmp_path / "home" / "models" / "mine"
    with pytest.raises(NotFound):
        find_bundle("other", tmp_path / "home")


def test_options_become_arguments() -> None:
    options = {"--size": 64, "--int8": True, "--seed": None, "--resume": False, "--set": ["a=1", "b=2"]}
    assert as_arguments(options) == ["--size=64", "--int8", "--set=a=1", "--set=b=2"]
