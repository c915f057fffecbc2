"""`dyad keys`, and commands that ask a service which needs one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.command import Dyad, Service

    Serve = Callable[..., Service]


def test_the_life_of_a_key(dyad: Dyad, serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    made = dyad("keys", "create", "ana", "--role", "write", DYAD_API_KEYS_FILE=str(file))
    assert made.code == 0, made.err
    key = made.out.strip()
    assert key not in made.err + file.read_text()
    admin = dyad("keys", "create", "root", "--role", "admin", "--file", file, "--json").json
    assert (admin["name"], admin["role"]) == ("root", "admin")
    assert dyad("keys", "list", "--file", file, "--json").json == {
        "keys": [{"name": "ana", "role": "write"}, {"name": "root", "role": "admin"}]
    }
    url = serve(DYAD_API_KEYS_FILE=str(file)).url
    refused = dyad("collections", "list", "--url", url)
    assert (refused.code, len(refused.err_lines)) == (1, 1)
    assert "needs a key" in refused.err
    assert "DYAD_API_KEY" in refused.err
    assert dyad("collections", "list", "--url", url, "--json", DYAD_API_KEY=key).json["collections"] == []
    assert "this needs admin" in dyad("models", "delete", "hog", "--yes", "--url", url, DYAD_API_KEY=key).err
    assert dyad("keys", "revoke", "ana", "--file", file).out == "ana is revoked\n"
    again = dyad("keys", "revoke", "ana", "--file", file)
    assert (again.code, again.err) == (1, f"dyad: {file} has no key 'ana'\n")


def test_no_file_is_wrong_usage(dyad: Dyad) -> None:
    ran = dyad("keys", "list")
    assert ran.code == 2
    assert "DYAD_API_KEYS_FILE" in ran.err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_a_service_that_others_reach_has_keys_or_says_that_it_has_none(dyad: Dyad, host: str, tmp_path: Path) -> None:
    ran = dyad("serve", "--host", host, "--port", "0", "--home", tmp_path / "home")
    assert (ran.code, len(ran.err_lines)) == (1, 1)
    for way_out in ("DYAD_API_KEYS_FILE", "DYAD_ALLOW_ANONYMOUS=true"):
        assert way_out in ran.err


def test_serving_others_is_possible_both_ways(dyad: Dyad, serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    assert dyad("keys", "create", "ana", "--file", file).code == 0
    assert serve(tmp_path / "open", DYAD_HOST="0.0.0.0", DYAD_ALLOW_ANONYMOUS="true").url
    assert serve(tmp_path / "keyed", DYAD_HOST="0.0.0.0", DYAD_API_KEYS_FILE=str(file)).url
    missing = dyad("serve", "--port", "0", "--home", tmp_path / "home", DYAD_API_KEYS_FILE=str(tmp_path / "nowhere"))
    assert (missing.code, len(missing.err_lines)) == (1, 1)
    assert "dyad keys create" in missing.err
