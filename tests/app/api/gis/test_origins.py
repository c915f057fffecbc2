"""Pages of other origins and programs with passwords: what they may read, and how they are asked for a key."""

from __future__ import annotations

from pathlib import Path

from app.domain.keys import Role
from app.stores.key_file import add_key
from tests.support.service import running_service

ORIGIN = "https://maps.example.com"


def test_permitted_origins_may_read_and_ask_first(tmp_path: Path) -> None:
    with running_service(tmp_path, cors_origins=ORIGIN) as service:
        answer = service.client.get("/collections", headers={"Origin": ORIGIN})
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
        asked["Access-Control-Request-Headers"] = "authorization,content-type"
        preflight = service.client.options("/collections", headers=asked)
        assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, ORIGIN)
        other = service.client.get("/collections", headers={"Origin": "https://other.example.com"})
        assert "access-control-allow-origin" not in other.headers
        refused = service.client.get("/collections/none", headers={"Origin": ORIGIN})
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (404, ORIGIN)


def test_no_origin_is_permitted_by_default(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        answer = service.client.get("/collections", headers={"Origin": ORIGIN})
        assert "access-control-allow-origin" not in answer.headers


def test_programs_get_a_basic_challenge_and_browsers_none(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    secret = add_key(file, "gis", Role.READ)
    with running_service(tmp_path / "home", api_keys_file=file, cors_origins=ORIGIN) as service:
        refused = service.client.get("/collections")
        assert (refused.status_code, "Basic" in refused.headers["www-authenticate"]) == (401, True)
        page = service.client.get("/collections", headers={"Sec-Fetch-Mode": "cors"})
        assert (page.status_code, "Basic" in page.headers["www-authenticate"]) == (401, False)
        assert service.client.get("/collections", auth=("any", secret)).status_code == 200
        asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "x-api-key"}
        assert service.client.options("/collections", headers=asked).status_code == 200
