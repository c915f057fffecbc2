"""Page of a service that requires keys."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from app.domain.keys import Role
from app.stores.key_file import add_key, remove_key
from tests.e2e.conftest import Visit, follow_job
from tests.support.pictures import striped
from tests.support.process import ServeProcess


def test_the_page_asks_for_a_key_and_stays_signed_in(tmp_path: Path, visitor: Callable[..., Visit]) -> None:
    file = tmp_path / "keys"
    key, other = add_key(file, "ana", Role.WRITE), add_key(file, "ben", Role.READ)
    with ServeProcess(tmp_path / "home", DYAD_API_KEYS_FILE=str(file)) as service:
        service.client.headers["Authorization"] = f"Bearer {key}"
        assert service.client.post("/collections", json={"id": "shapes", "model": "hog"}).status_code == 201
        parts = [("files", (f"{n}.png", striped(n * 20, size=64))) for n in range(3)]
        follow_job(service.client, service.client.post("/collections/shapes/items", files=parts).json()["id"])

        visit = visitor(service.url)
        visit.allowed.append("401 (Unauthorized)")
        page = visit.open()
        dialog = page.get_by_role("dialog", name="This service needs a key")
        dialog.get_by_label("Key").fill("dyad_wrong")
        dialog.get_by_role("button", name="Continue").click()
        expect(dialog.get_by_role("alert")).to_contain_text(re.compile("not (known|valid)"))
        dialog.get_by_label("Key").fill(key)
        dialog.get_by_role("button", name="Continue").click()
        expect(dialog).to_have_count(0)
        expect(page.locator("#grid > li")).to_have_count(3)
        for picture in page.locator("#grid img").all():
            expect(picture).to_have_js_property("complete", True)
            assert picture.evaluate("(image) => image.naturalWidth") > 0
        assert key not in page.evaluate("document.cookie + JSON.stringify([{...localStorage}, {...sessionStorage}])")

        page.reload()
        expect(page.locator("#grid > li")).to_have_count(3)
        page.get_by_role("button", name="Key", exact=True).click()
        shown = page.get_by_role("dialog", name="Key", exact=True)
        expect(shown).to_contain_text("ana (role: write)")
        shown.get_by_role("button", name="Sign out").click()
        page.get_by_role("dialog", name="This service needs a key").get_by_label("Key").fill(other)
        page.keyboard.press("Enter")
        expect(page.locator("#grid > li")).to_have_count(3)

        remove_key(file, "ben")
        revoked = {"Authorization": f"Bearer {other}"}
        while service.client.get("/collections", headers=revoked).status_code != 401:
            time.sleep(0.1)
        page.get_by_role("button", name="Jobs").click()
        expect(page.get_by_role("dialog", name="This service needs a key")).to_be_visible()


def test_an_open_service_shows_no_key_button(visit_empty: Visit) -> None:
    page = visit_empty.open()
    expect(page.get_by_role("button", name="Models")).to_be_visible()
    expect(page.get_by_role("button", name="Key", exact=True)).to_have_count(0)
