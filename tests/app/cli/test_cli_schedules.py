"""`dyad collections schedule`, on a state folder and by a service."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import images, stac

if TYPE_CHECKING:
    from tests.support.command import Dyad, Ran, Service

    Serve = Callable[..., Service]

CRON = ("--cron", "0 3 1 1 *")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("river/a.png", "forest/b.png", "forest/c.png"):
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        images.saved(tmp_path / "root" / name, images.picture(seed=len(name)))
    return tmp_path / "root"


def test_a_schedule_on_a_state_folder(dyad: Dyad, folder: Path, tmp_path: Path) -> None:
    assert dyad("collections", "create", "s", "--model", "hog", "--home", tmp_path / "home").code == 0

    def schedule(*args: object) -> Ran:
        return dyad("collections", "schedule", "s", *args, "--home", tmp_path / "home", DYAD_READ_ROOTS=str(folder))

    none = schedule()
    assert (none.code, len(none.err_lines)) == (1, 1)
    assert "no schedule" in none.err
    made = schedule(
        *CRON, "--source", folder / "river", "--source", f"{folder}/forest/*.png", "--labels-from-folders", "--json"
    )
    assert made.code == 0, made.err
    assert [each.get("glob") for each in made.json["sources"]] == [None, f"{folder}/forest/*.png"]
    shown = schedule("--show")
    assert "0 3 1 1 * (UTC)" in shown.out
    ran = schedule("--run")
    assert ran.out == "s: 3 indexed, 0 unchanged, 0 rejected\n"
    (folder / "forest" / "b.png").unlink()
    again = schedule("--run", "--json").json
    assert (again["unchanged"], again["vanished"]) == (2, 1)
    (folder / "river" / "a.png").unlink()
    refused = schedule("--run")
    assert refused.code == 1
    assert "accept_vanished" in refused.err
    assert schedule("--run", "--accept-vanished").code == 0
    assert schedule("--delete").out == "deleted the schedule of s\n"
    assert schedule("--delete").code == 1


def test_a_schedule_of_a_service(dyad: Dyad, serve: Serve, folder: Path) -> None:
    catalogue = stac.write_catalogue(folder / "stac", {"s2": [stac.item("a", folder / "river" / "a.png")]})
    url = ("--url", serve(DYAD_READ_ROOTS=str(folder)).url)
    dyad("collections", "create", "s", "--model", "hog", *url)
    made = dyad("collections", "schedule", "s", *CRON, "--stac", catalogue, "--on-vanished", "remove", "--json", *url)
    assert made.code == 0, made.err
    assert made.json["sources"] == [{"stac": str(catalogue)}]
    ran = dyad("collections", "schedule", "s", "--run", "--json", *url)
    assert (ran.json["indexed"], len(ran.json["item_ids"])) == (1, 1)
    assert dyad("collections", "schedule", "s", *url, "--json").json["last_result"]["indexed"] == 1
    outside = dyad("collections", "schedule", "s", *CRON, "--source", "/etc", *url)
    assert (outside.code, len(outside.err_lines)) == (1, 1)
    assert "DYAD_READ_ROOTS" in outside.err
    chosen = ("--collections", "s2", "--bbox", "9,44,12,47", "--datetime", "2024-01-01/..", "--filter", "id = 'a'")
    selected = dyad("collections", "schedule", "s", *CRON, "--stac", catalogue, *chosen, "--json", *url)
    assert selected.json["sources"] == [
        {
            "stac": str(catalogue),
            "collections": ["s2"],
            "bbox": [9, 44, 12, 47],
            "datetime": "2024-01-01/..",
            "filter": "id = 'a'",
        }
    ], selected.err
    for option in ("--source", "--stac"):
        unnamed = dyad("collections", "schedule", "s", *CRON, option, "https://elsewhere.example/a.json", *url)
        assert (unnamed.code, unnamed.err.count("the server may not read from the web")) == (1, 1)
    assert dyad("collections", "schedule", "s", "--delete", "--json", *url).json == {"deleted": "s"}


@pytest.mark.parametrize(
    "options",
    [
        CRON,
        ("--source", "/x"),
        ("--timezone", "UTC"),
        ("--labels-from-folders",),
        (*CRON, "--source", "/x", "--run"),
        ("--delete", "--run"),
        ("--accept-vanished",),
        ("--on-vanished", "forget"),
    ],
)
def test_wrong_usage(dyad: Dyad, tmp_path: Path, options: tuple[str, ...]) -> None:
    ran = dyad("collections", "schedule", "s", *options, "--home", tmp_path)
    assert (ran.code, ran.out) == (2, "")
