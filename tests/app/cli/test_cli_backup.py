"""`dyad backup` and `dyad restore`, as a person runs them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.pictures import striped

if TYPE_CHECKING:
    from tests.support.command import Dyad, Service


def test_a_home_is_lost_and_comes_back(dyad: Dyad, tmp_path: Path) -> None:
    home, backup = tmp_path / "home", tmp_path / "backup.zip"
    (tmp_path / "tiles").mkdir()
    for number in range(3):
        (tmp_path / "tiles" / f"{number}.png").write_bytes(striped(40.0 * number, size=64))
    indexed = dyad("index", "c", tmp_path / "tiles", "--model", "hog", "--tile-size", 64, "--home", home)
    assert indexed.code == 0, indexed.err
    search = ("search", "c", tmp_path / "tiles" / "1.png", "--json", "--home", home)
    before = dyad(*search).json["features"]
    done = dyad("backup", backup, "--home", home)
    assert (done.code, done.out.split(" (")[0]) == (0, f"1 collection backed up to {backup}")
    shutil.rmtree(home)

    whole = backup.read_bytes()
    backup.write_bytes(whole[:-50])
    refused = dyad("restore", backup, "--home", home)
    assert (refused.code, refused.out, len(refused.err_lines)) == (1, "", 1)
    assert "nothing was changed" in refused.err
    backup.write_bytes(whole)
    restored = dyad("restore", backup, "--home", home, "--json")
    assert restored.json["aliases"] == {"c": "c.hog.1"}
    assert dyad(*search).json["features"] == before
    again = dyad("restore", backup, "--home", home)
    assert (again.code, "in the store already" in again.err) == (1, True)
    assert dyad("restore", tmp_path / "none.zip", "--home", home).code == 1


def test_a_home_that_a_service_has_open_is_left_alone(dyad: Dyad, serve: Callable[..., Service], tmp_path: Path) -> None:
    service = serve()
    for command in ("backup", "restore"):
        refused = dyad(command, tmp_path / "backup.zip", "--home", service.home)
        assert (refused.code, "stop it first" in refused.err) == (1, True)
    assert not (tmp_path / "backup.zip").exists()
