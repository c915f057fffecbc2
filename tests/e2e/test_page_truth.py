"""Page: files dropped on an empty service, deleted collections, rejected files, and indexes that wait for a decision."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.e2e.conftest import Archive, Visit, follow_job
from tests.e2e.test_page import GIVE
from tests.e2e.test_page_label_tools import other_people
from tests.support.pictures import striped

if TYPE_CHECKING:
    from playwright.sync_api import Route

if os.environ.get("CI") != "true":
    pytest.importorskip("playwright", reason="needs the Python package playwright (in the extra `dev`)", exc_type=ImportError)
from playwright.sync_api import expect

Visitor = Callable[..., Visit]


def test_a_file_dropped_on_an_empty_service_proposes_a_collection(visitor: Visitor, archive: Archive) -> None:
    visit = visitor(archive.url)
    page = visit.page
    page.route(
        "**/collections",
        lambda route: route.fulfill(json={"collections": []}) if route.request.method == "GET" else route.continue_(),
    )
    visit.open()
    expect(page.get_by_role("heading", name="Find similar satellite tiles")).to_be_visible()
    page.evaluate(GIVE, ["drop", "my_first tile.png", base64.b64encode(striped(30)).decode()])
    dialog = page.get_by_role("dialog", name="New collection from these files")
    expect(dialog.locator(".proposal-previews img")).to_have_count(1)
    assert dialog.locator(".proposal-previews img").evaluate("(image) => image.naturalWidth") > 0
    expect(dialog.get_by_label("Title")).to_have_value("my first tile")
    expect(dialog.get_by_label("Identifier")).to_have_value("my-first-tile")
    expect(dialog.get_by_label("Tile size")).to_have_value("256")
    page.unroute("**/collections")
    dialog.get_by_role("button", name="Create and add 1 file").click()
    expect(page.locator("#collection")).to_have_value("my-first-tile")
    expect(page.get_by_role("dialog").locator(".job.is-successful")).to_contain_text("1 indexed")
    page.keyboard.press("Escape")
    expect(page.locator(".card .name")).to_have_text("my_first tile.png")
    httpx.delete(f"{archive.url}/collections/my-first-tile").raise_for_status()


def test_a_collection_that_is_deleted_elsewhere_leaves_a_way_out(visitor: Visitor, archive: Archive) -> None:
    with httpx.Client(base_url=archive.url, timeout=120) as client:
        client.post("/collections", json={"id": "brief"}).raise_for_status()
        follow_job(client, client.post("/collections/brief/items", files=[("files", ("a.png", striped(10)))]).json()["id"])
        visit = visitor(archive.url)
        visit.allowed += ["status of 404"]
        page = visit.open("#collection=brief")
        expect(page.locator(".card")).to_have_count(1)
        client.delete("/collections/brief").raise_for_status()
    other_people(page)
    expect(page.get_by_role("heading", name="There is no collection “brief”")).to_be_visible()
    expect(page.locator("#grid")).to_be_hidden()
    page.get_by_role("link", name="Shapes").click()
    expect(page.locator(".card").nth(20)).to_be_attached()
    expect(page.locator("#welcome")).to_be_hidden()


def test_a_job_that_rejected_everything_warns_after_its_dialog_is_closed(visitor: Visitor, archive: Archive) -> None:
    visit = visitor(archive.url)
    visit.allowed += ["ERR_FAILED", "EventSource"]
    page = visit.open("#collection=shapes")
    expect(page.locator(".card").first).to_be_visible()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/jobs/*/events", lambda route: route.abort())
    page.route(re.compile(r"/jobs/[0-9a-f-]{36}$"), hold)
    page.get_by_role("button", name="Add images…").click()
    page.locator("#upload-files").set_input_files({"name": "letter.png", "mimeType": "image/png", "buffer": b"Dear sir"})
    page.locator("#upload-submit").click()
    expect(page.locator(".job")).to_have_count(1)
    page.keyboard.press("Escape")
    page.unroute(re.compile(r"/jobs/[0-9a-f-]{36}$"))
    for route in held:
        route.continue_()
    expect(page.locator("#news")).to_contain_text("nothing was added, 1 file rejected")
    page.get_by_role("button", name="Show the reasons").click()
    expect(page.get_by_role("dialog", name="Jobs").locator(".job").first).to_contain_text("failed")


def test_an_index_that_waits_for_a_decision_is_shown(visitor: Visitor, archive: Archive) -> None:
    visit = visitor(archive.url)
    page = visit.page
    known = httpx.get(f"{archive.url}/collections/shapes/indexes").json()["indexes"]
    waiting = {**known[0], "version": "stripes.1", "live": False, "candidate": True, "reason": "eleven places are too few"}
    page.route("**/collections/shapes/indexes", lambda route: route.fulfill(json={"indexes": [*known, waiting]}))
    visit.open("#collection=shapes")
    banner = page.locator("#undecided")
    expect(banner).to_contain_text("The new index stripes.1 waits for your decision")
    expect(banner).to_contain_text("eleven places are too few")
    expect(banner.get_by_role("button", name="Switch anyway…")).to_be_visible()
    page.locator(".card a.tile").first.click()
    expect(page.locator(".card .rank").first).to_have_text("1")
    page.locator("#versions summary").click()
    expect(page.locator(".version-list button")).to_contain_text([known[0]["version"], "stripes.1 (undecided)"])
    page.keyboard.press("Escape")  # closes the menu, which covers the message
    banner.get_by_role("button", name="Later").click()
    expect(banner).to_be_hidden()
    page.reload()
    expect(page.locator(".card .rank").first).to_have_text("1")
    expect(banner).to_be_hidden()
