"""`dyad reindex` and `dyad collections indexes|rollback`, on a state folder and over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.command import Dyad, Service

    Serve = Callable[..., Service]


@pytest.fixture(params=["local", "http"])
def target(request: pytest.FixtureRequest, serve: Serve, tmp_path: Path) -> tuple[str, str]:
    """Options that name a fresh Dyad."""
    return ("--home", str(tmp_path / "home")) if request.param == "local" else ("--url", serve().url)


def test_another_model_and_back(dyad: Dyad, target: tuple[str, str], pictures: Path) -> None:
    ran = dyad("index", "shapes", pictures, "--labels-from-folders", "--model", "hog", *target)
    assert ran.code == 0, ran.err
    kept = dyad("reindex", "shapes", "--model", "lbp-rgb", *target)
    assert kept.code == 0, kept.err
    assert kept.out.startswith("shapes: keeps hog.1: quality could not be compared: ")
    assert "switch anyway: dyad collections rollback shapes --version lbp-rgb.1\n" in kept.out
    before = dyad("collections", "indexes", "shapes", *target).out
    assert "lbp-rgb.1  lbp-rgb      6  " in before
    assert "candidate" in before
    assert dyad("collections", "rollback", "shapes", "--version", "lbp-rgb.1", *target).code == 0
    listed = dyad("collections", "indexes", "shapes", "--json", *target).json["indexes"]
    assert [(each["version"], each["live"]) for each in listed] == [("lbp-rgb.1", True), ("hog.1", False)]
    table = dyad("collections", "indexes", "shapes", *target)
    assert [line.split()[0] for line in table.out.splitlines()] == ["version", "lbp-rgb.1", "hog.1"]
    back = dyad("collections", "rollback", "shapes", *target)
    assert (back.code, back.out) == (0, "shapes uses index hog.1, 6 tiles\n")
    again = dyad("collections", "rollback", "shapes", "--json", *target)
    assert (again.code, again.out, len(again.err_lines)) == (1, "", 1)
    assert dyad("collections", "rollback", "shapes", "--version", "lbp-rgb.1", *target).code == 0
    anew = dyad("reindex", "shapes", *target)
    assert anew.code == 0, anew.err
    assert anew.out.startswith("shapes: switched from lbp-rgb.1 to lbp-rgb.2: both indexes give the same results")
    assert "vectors         6 embedded" in anew.out


def test_what_is_unknown_is_one_line(dyad: Dyad, target: tuple[str, str]) -> None:
    for command in (("reindex", "nowhere"), ("collections", "indexes", "nowhere"), ("collections", "rollback", "nowhere")):
        ran = dyad(*command, *target)
        assert (ran.code, ran.out, len(ran.err_lines)) == (1, "", 1)
        assert "nowhere" in ran.err
