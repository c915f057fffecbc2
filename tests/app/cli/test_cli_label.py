"""`dyad label` and `dyad collections labels`, on a state folder and over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.command import Dyad, Service

    Serve = Callable[..., Service]


@pytest.mark.parametrize("how", ["local", "http"])
def test_labels_in_and_out(dyad: Dyad, serve: Serve, pictures: Path, tmp_path: Path, how: str) -> None:
    target = ("--home", str(tmp_path / "home")) if how == "local" else ("--url", serve().url)
    assert dyad("index", "shapes", pictures, *target).code == 0
    file = tmp_path / "labels.csv"
    file.write_text("file_name,label\nstripes0.png,flat\nslopes1.png,steep\nnone.png,flat\nslopes2.png\n")
    ran = dyad("label", "shapes", file, *target)
    assert (ran.code, ran.out) == (0, "shapes: 2 updated, 0 unchanged, 1 unmatched, 1 rejected\n")
    assert [line.split()[1].rstrip(":") for line in ran.err_lines] == ["5", "4"]
    again = dyad("label", "shapes", file, "--mode", "replace", "--json", *target).json
    assert (again["unchanged"], again["unmatched"][0]["line"], again["rejected"][0]["line"]) == (2, 4, 5)
    exported = tmp_path / "out.csv"
    assert dyad("collections", "labels", "shapes", exported, *target).code == 0
    assert sorted(line.rsplit(",", 1)[1] for line in exported.read_text().splitlines()[1:]) == ["", "", "", "", "flat", "steep"]
    assert dyad("label", "shapes", exported, "--json", *target).json["unchanged"] == 6
    assert dyad("collections", "labels", "shapes", exported, *target).code == 1
    refused = dyad("label", "shapes", pictures / "slopes" / "slopes0.png", *target)
    assert (refused.code, refused.out, len(refused.err_lines)) == (1, "", 1)
    assert dyad("label", "nobody", file, *target).code == 1
