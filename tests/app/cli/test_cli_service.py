"""The command and a running service: starting, stopping, and talking to it over HTTP."""

from __future__ import annotations

import json
import signal
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from tests.support.command import Archive, Dyad, Service

    Serve = Callable[..., Service]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_serve_answers_stops_and_opens_again(dyad: Dyad, serve: Serve, how: signal.Signals) -> None:
    service = serve()
    assert httpx.get(f"{service.url}/healthz").status_code == 200
    assert service.end(how) == 0
    assert dyad("collections", "list", "--json", "--home", service.home).json == {"collections": []}


def test_second_service_on_one_home_says_so_in_one_line(dyad: Dyad, serve: Serve) -> None:
    service = serve()
    for port in ("0", service.url.rsplit(":", 1)[1]):
        ran = dyad("serve", "--port", port, "--home", service.home)
        assert (ran.code, ran.out, len(ran.err_lines)) == (1, "", 1)
        assert service.url in ran.err


def test_port_in_use_is_one_line(dyad: Dyad, serve: Serve, tmp_path: Path) -> None:
    port = serve().url.rsplit(":", 1)[1]
    ran = dyad("serve", "--port", port, "--home", tmp_path / "other")
    assert (ran.code, len(ran.err_lines)) == (1, 1)
    assert "--port" in ran.err


def test_locked_home_is_reached_through_its_service(dyad: Dyad, serve: Serve, pictures: Path) -> None:
    service = serve()
    home = ("--home", service.home)
    indexed = dyad("index", "shapes", pictures, "--labels-from-folders", "--json", *home)
    assert indexed.code == 0, indexed.err
    assert (indexed.json["indexed"], len(indexed.json["item_ids"])) == (6, 6)
    assert len(indexed.err_lines) == 1
    assert service.url in indexed.err
    found = dyad("search", "shapes", pictures / "slopes" / "slopes1.png", "--limit", 3, "--json", *home).json
    assert [feature["properties"]["labels"] for feature in found["features"]] == [["slopes"]] * 3
    assert found["features"][0]["properties"]["source"] == "pictures/slopes/slopes1.png"


def test_both_ways_know_the_same_tiles(dyad: Dyad, serve: Serve, archive: Archive, pictures: Path) -> None:
    """Indexed over HTTP, the same folder gets the ids, labels and documents that it gets without."""
    service = serve()
    url = ("--json", "--url", service.url)
    remote = dyad("index", "shapes", pictures, "--labels-from-folders", *url).json
    assert sorted(remote["item_ids"]) == sorted(archive.result["item_ids"])
    assert remote.keys() <= archive.result.keys()
    local = ("--json", "--home", archive.home)
    for command in (("collections", "show", "shapes"), ("search", "shapes", remote["item_ids"][0])):
        here, there = dyad(*command, *local).json, dyad(*command, *url).json
        assert here.keys() == there.keys()
    ranked = [[(each["id"], each["properties"]["score"]) for each in found["features"]] for found in (here, there)]
    assert ranked[0] == ranked[1]


def test_manage_over_http(dyad: Dyad, serve: Serve) -> None:
    url = ("--json", "--url", serve().url)
    assert dyad("collections", "create", "one", "--title", "One", *url).json["title"] == "One"
    assert dyad("collections", "create", "one", *url).code == 1
    assert dyad("jobs", "list", "--status", "running", *url).json["jobs"] == []
    assert dyad("jobs", "show", "00000000-0000-0000-0000-000000000000", *url).code == 1
    assert dyad("collections", "delete", "one", "--yes", *url).code == 0
    missing = dyad("collections", "show", "one", *url)
    assert (missing.code, missing.out, len(missing.err_lines)) == (1, "", 1)


def test_zip_and_bad_files_over_http(dyad: Dyad, serve: Serve, pictures: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
        archive.write(pictures / "slopes" / "slopes0.png", "slopes/slopes0.png")
    (tmp_path / "text.tif").write_text("no picture")
    (tmp_path / "notes.json").write_text(json.dumps({"stac_version": "1.0.0", "type": "Nonsense"}))
    files = [tmp_path / name for name in ("some.zip", "text.tif", "notes.json")]
    ran = dyad("index", "zipped", *files, "--json", "--url", serve().url)
    assert ran.code == 0, ran.err
    assert ran.json["indexed"] == 1
    assert {each["file_name"] for each in ran.json["rejected"]} == {"text.tif", "notes.json"}


def test_nobody_answers(dyad: Dyad) -> None:
    ran = dyad("collections", "list", "--url", "http://127.0.0.1:9")
    assert (ran.code, ran.out, len(ran.err_lines)) == (1, "", 1)
    assert "http://127.0.0.1:9" in ran.err
