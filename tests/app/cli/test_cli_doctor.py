"""`dyad doctor` over a folder with a damaged collection."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.support.command import Service, call_command


def test_it_lists_and_repairs_what_is_damaged(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert call_command("collections", "create", "a", "--model", "hog", "--home", home).code == 0
    healthy = call_command("doctor", "--json", "--home", home)
    assert (healthy.code, healthy.json["status"]) == (0, "ok"), healthy.err
    (home / "blobs" / "catalogue" / "a.json").write_bytes(b"")
    damaged = call_command("doctor", "--json", "--home", home)
    assert (damaged.code, damaged.json["status"]) == (1, "degraded")
    assert "catalogue/a.json" in damaged.json["findings"][0]["problem"]
    repaired = call_command("doctor", "--repair", "--home", home)
    assert repaired.code == 0, repaired.out
    assert "settings were written again" in repaired.out
    (home / "blobs" / "installation.json").unlink()
    refused = call_command("doctor", "--home", home)
    assert refused.code == 1
    assert "--take-over" in refused.err
    assert call_command("doctor", "--take-over", "--home", home).code == 0


def test_a_service_that_has_the_folder_open_reports_its_state(serve: Callable[..., Service]) -> None:
    service = serve()
    reported = call_command("doctor", "--json", "--home", service.home)
    assert (reported.code, reported.json) == (0, {"status": "ok", "findings": [], "repaired": [], "deleted": []})
    assert service.url in reported.err
    assert call_command("doctor", "--repair", "--home", service.home).code == 1
