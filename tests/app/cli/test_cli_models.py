"""`dyad models` on a state folder and over HTTP: the same commands, the same documents."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.domain.models import DEFAULT_MODEL as DEFAULT
from tests.support.bundle_zips import packed
from tests.support.bundles import tiny_graph, write_bundle

if TYPE_CHECKING:
    from tests.support.command import Dyad, Service

    Serve = Callable[..., Service]


@pytest.fixture(params=["local", "http"])
def target(request: pytest.FixtureRequest, serve: Serve, tmp_path: Path) -> tuple[str, str]:
    """Options that name a fresh Dyad."""
    return ("--home", str(tmp_path / "home")) if request.param == "local" else ("--url", serve().url)


def test_the_life_of_a_model(dyad: Dyad, target: tuple[str, str], tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "mine", tiny_graph(), title="Mine")
    imported = dyad("models", "import", folder, "--json", *target)
    assert imported.code == 0, imported.err
    assert (imported.json["id"], imported.json["origin"], imported.json["unchanged"]) == ("mine", "added", False)
    again = dyad("models", "import", packed(folder, tmp_path / "mine.zip"), *target)
    assert again.out == "mine is already imported, unchanged\n"
    activated = dyad("models", "activate", "mine", "--json", *target).json
    assert [model["id"] for model in dyad("models", "list", "--json", *target).json["models"] if model["active"]] == ["mine"]
    assert dyad("models", "show", "mine", "--json", *target).json == activated
    refused = dyad("models", "delete", "mine", "--yes", *target)
    assert (refused.code, refused.out, len(refused.err_lines)) == (1, "", 1)
    assert "active model" in refused.err
    exported = tmp_path / "exported.zip"
    assert dyad("models", "export", "mine", exported, "--json", *target).json["size_bytes"] == exported.stat().st_size
    assert dyad("models", "export", "mine", exported, *target).code == 1
    assert dyad("models", "activate", DEFAULT, *target).code == 0
    assert dyad("models", "delete", "mine", *target).code == 2
    assert dyad("models", "delete", "mine", "--yes", "--json", *target).json == {"deleted": "mine"}
    assert dyad("models", "import", exported, "--json", *target).json["title"] == "Mine"
    table = dyad("models", "list", *target).out.splitlines()
    assert table[0].split() == [
        "id",
        "active",
        "version",
        "origin",
        "dimension",
        "bands",
        "size",
        "used",
        "by",
        "title",
        "licence",
    ]
    assert [line.split()[0] for line in table[1:]] == [DEFAULT, "dyad-rgb-128", "dyad-rgb-research", "lbp-rgb", "hog", "mine"]


def test_refusals_are_one_line(dyad: Dyad, target: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("no zip")
    (tmp_path / "empty").mkdir()
    nowhere = tmp_path / "x.zip"
    for args in (
        ("import", tmp_path / "text.zip"),
        ("import", tmp_path / "empty"),
        ("export", "nobody", nowhere),
        ("export", "hog", nowhere),
        ("activate", "nobody"),
        ("delete", DEFAULT, "--yes"),
    ):
        ran = dyad("models", *args, *target)
        assert (ran.code, ran.out, len(ran.err_lines)) == (1, "", 1), args
    assert not nowhere.exists()
