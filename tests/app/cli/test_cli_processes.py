"""`dyad collections train` and `evaluate`, with the programs that learn and measure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.domain.models import DEFAULT_MODEL
from tests.support.labelled import write_pictures

if TYPE_CHECKING:
    from tests.support.command import Dyad, Service


@pytest.fixture(scope="module")
def home(dyad: Dyad, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with the collection `shapes`: twelve tiles each of two labels."""
    folder = write_pictures(tmp_path_factory.mktemp("input") / "pictures", {"stripes": 12, "slopes": 12})
    home = tmp_path_factory.mktemp("archive") / "home"
    ran = dyad("index", "shapes", folder, "--labels-from-folders", "--tile-size", 64, "--home", home)
    assert ran.code == 0, ran.err
    return home


def test_a_collection_is_trained_on_re_indexed_and_measured(dyad: Dyad, home: Path, tmp_path: Path) -> None:
    trained = dyad("collections", "train", "shapes", "--set", "steps=5", "--seed", 3, "--json", "--home", home)
    assert trained.code == 0, trained.err
    assert trained.json["model"] == "shapes-head-1"
    assert trained.json["recipe"]["steps"] == 5
    assert trained.json["reindex"]["previous_version"] == f"{DEFAULT_MODEL}.1"
    page = tmp_path / "report.html"
    measured = dyad("collections", "evaluate", "shapes", "--report", page, "--home", home)
    assert measured.code == 0, measured.err
    assert "anmrr" in measured.out
    assert page.read_text(encoding="utf-8").startswith("<!")


def test_the_same_by_a_running_service(dyad: Dyad, home: Path, serve: Callable[..., Service], tmp_path: Path) -> None:
    url = ("--url", serve(home).url)
    trained = dyad("collections", "train", "shapes", "--model", "mine", "--no-reindex", *url)
    assert trained.code == 0, trained.err
    assert trained.out.splitlines()[0].split() == ["model", "mine"]
    page = tmp_path / "report.html"
    measured = dyad("collections", "evaluate", "shapes", "--report", page, "--json", *url)
    assert measured.code == 0, measured.err
    assert measured.json["metrics"]["map"] > 0
    assert page.stat().st_size > 10_000


def test_what_is_missing_is_one_line(dyad: Dyad, home: Path) -> None:
    for arguments in (("train", "nowhere"), ("train", "shapes", "--recipe", "dance"), ("evaluate", "nowhere")):
        ran = dyad("collections", *arguments, "--home", home)
        assert (ran.code, ran.out, len(ran.err_lines)) == (1, "", 1), ran.err
    assert dyad("collections", "train", "shapes", "--set", "steps", "--home", home).code == 2
