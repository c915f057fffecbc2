"""Page: search, label 20 tiles, train a head, follow the index switch, compare the ranking, roll back."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.e2e.conftest import Archive, Visit, default_title, follow_job, wait_for_job
from tests.support.pictures import striped
from tests.support.process import ServeProcess

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page, Route

if os.environ.get("CI") != "true":
    pytest.importorskip("playwright", reason="needs the Python package playwright (in the extra `dev`)", exc_type=ImportError)
from playwright.sync_api import expect

Visitor = Callable[..., Visit]
WIDTHS = {"fine": 8.0, "coarse": 16.0}
"""Near enough that the shipped model confuses them, so that a head learns much on any processor."""
PER_KIND = 15
LABELLED = 10
"""Tiles of each kind that are labelled."""
SHIPPED = default_title()


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Archive]:
    """A service with the collection `fields`: unlabelled tiles with fine and coarse stripes of various directions."""
    files = {
        f"{kind}-{number:02}.png": striped(angle=number * 12, period=width, seed=number, tint=tint(number))
        for kind, width in WIDTHS.items()
        for number in range(PER_KIND)
    }
    with ServeProcess(tmp_path_factory.mktemp("fields") / "home") as service:
        created = service.client.post("/collections", json={"id": "fields", "title": "Fields"})
        assert created.status_code == 201, created.text
        accepted = service.client.post("/collections/fields/items", files=[("files", item) for item in files.items()])
        assert accepted.status_code == 201, accepted.text
        follow_job(service.client, accepted.json()["id"])
        yield Archive(service.url, files)


def tint(number: int) -> tuple[float, float, float]:
    """Return one of three colours."""
    return ((1.0, 0.8, 0.6), (0.6, 1.0, 0.7), (0.6, 0.8, 1.0))[number % 3]


def names(page: Page) -> list[str]:
    """File names on the cards, in their order."""
    return page.locator(".card .name").all_inner_texts()


def tile(page: Page, name: str) -> Locator:
    """Return the thumbnail link of a tile."""
    return page.locator(".card", has=page.get_by_text(name, exact=True)).locator("a.tile")


def label_some(page: Page) -> None:
    """Label ten tiles of each kind, by click and by key."""
    page.get_by_role("button", name="Label", exact=True).click()
    expect(page.locator(".label-hint")).to_contain_text("Training needs")
    for kind, way in (("fine", "click"), ("coarse", "key")):
        page.get_by_label("Label to add").fill(kind)
        page.keyboard.press("Enter")
        for number in range(LABELLED):
            target = tile(page, f"{kind}-{number:02}.png")
            if way == "click":
                target.click()
            else:
                target.focus()
                page.keyboard.press("Enter")
    expect(page.locator(".label-key", has_text="fine")).to_contain_text(str(LABELLED))
    expect(page.locator(".label-key", has_text="coarse")).to_contain_text(str(LABELLED))
    expect(page.locator(".label-hint")).to_contain_text("2 labels ready for training")


def searched_by(page: Page, name: str) -> list[str]:
    """Search with a tile of the grid; return the file names in ranked order."""
    tile(page, name).click()
    expect(page.locator(".query-image figcaption")).to_have_text(name)
    expect(page.locator("#status")).to_contain_text("ranked by")
    expect(page.locator("#grid")).to_have_attribute("aria-busy", "false")
    return names(page)


@pytest.mark.timeout(1500)
def test_a_trained_head_changes_the_ranking_and_can_be_rolled_back(visitor: Visitor, fields: Archive) -> None:
    page = visitor(fields.url).open("#collection=fields")
    expect(page.locator(".card")).to_have_count(2 * PER_KIND)
    label_some(page)
    page.get_by_role("button", name="Done").click()
    before = searched_by(page, "fine-12.png")
    expect(page.locator("#status")).to_contain_text(f"ranked by {SHIPPED}")

    page.get_by_role("button", name="Train…").click()
    dialog = page.get_by_role("dialog", name="Fields")
    expect(dialog.locator(".label-bars")).to_contain_text("coarse")
    dialog.get_by_label("Name of the new model").fill("Stripes")
    dialog.get_by_role("button", name="Train", exact=True).click()
    jobs = dialog.locator("#train-run .job")
    expect(jobs.first).to_contain_text("Training · fields")
    wait_for_job(fields.url, "train")
    expect(jobs.nth(1)).to_contain_text("Re-indexing · fields")
    wait_for_job(fields.url, "reindex")
    verdict = jobs.nth(1).locator(".verdict")
    expect(verdict).to_have_attribute("data-switched", "true")
    expect(verdict).to_contain_text("Results are now ranked by Stripes")
    page.keyboard.press("Escape")

    expect(page.locator("#status")).to_contain_text("ranked by Stripes")
    expect(page.locator("#news")).to_contain_text("Results are now ranked by Stripes")
    after = names(page)
    assert sorted(after) == sorted(before)
    assert after != before
    assert page.locator(".moved").count() > 0
    page.reload()
    expect(page.locator("#status")).to_contain_text("ranked by Stripes")
    assert names(page) == after

    page.get_by_role("button", name="Details").first.click()
    dialog.get_by_role("tab", name="Index").click()
    expect(dialog.locator("tbody tr")).to_have_count(2)
    dialog.get_by_role("button", name="Search this version").click()
    expect(dialog).to_have_count(0)  # the results are not behind it
    expect(page.locator("#status")).to_contain_text("previous index version")
    page.get_by_role("button", name="Details").first.click()
    dialog.get_by_role("tab", name="Index").click()
    dialog.get_by_role("button", name="Roll back").click()
    page.get_by_role("dialog", name="Are you sure?").get_by_role("button", name="Roll back").click()
    expect(dialog.locator("tr.chosen")).to_contain_text(SHIPPED)
    page.keyboard.press("Escape")
    expect(page.locator("#status")).to_contain_text(f"ranked by {SHIPPED}")
    assert names(page) == before


def test_an_evaluation_opens_as_a_report(visitor: Visitor, fields: Archive) -> None:
    rows = "".join(f"{name},{name.split('-')[0]}\n" for name in fields.files)
    sent = httpx.post(f"{fields.url}/collections/fields/labels", content=f"file_name,label\n{rows}", timeout=120)
    assert sent.json()["unmatched"] == []
    page = visitor(fields.url).open("#collection=fields")
    page.get_by_role("button", name="Train…").click()
    dialog = page.get_by_role("dialog", name="Fields")
    dialog.get_by_role("button", name="Evaluate").click()
    expect(dialog.locator(".job")).to_contain_text("Evaluation · fields")
    wait_for_job(fields.url, "evaluate")
    link = dialog.get_by_role("link", name="Open the report")
    expect(link).to_be_visible()
    report = page.request.get(f"{fields.url}/{link.get_attribute('href')}")
    assert report.ok
    assert re.search("<html", report.text())


def label_kinds(url: str) -> None:
    """Label five tiles of each kind, as an evaluation needs; the test before this one may have run in another process."""
    with httpx.Client(base_url=url, timeout=60) as client:
        found = client.get("/collections/fields/items", params={"limit": 2 * PER_KIND}).raise_for_status().json()["features"]
        given = {each["id"]: each["properties"]["file_name"] for each in found}
        lines = [f"{item},{name[:-7]}" for item, name in given.items() if int(name[-6:-4]) < 5]
        csv = "\n".join(["id,labels", *lines])
        headers = {"content-type": "text/csv"}
        client.post("/collections/fields/labels", content=csv, headers=headers).raise_for_status()


def test_an_evaluation_and_an_export_wait_for_labels_that_are_being_saved(visitor: Visitor, fields: Archive) -> None:
    label_kinds(fields.url)
    visit = visitor(fields.url)
    page = visit.open("#collection=fields")
    expect(page.locator(".card")).to_have_count(2 * PER_KIND)
    held: list[Route] = []
    page.route("**/items/*", lambda route: held.append(route) if route.request.method == "PATCH" else route.continue_())
    page.get_by_role("button", name="Label", exact=True).click()
    page.get_by_label("Label to add").fill("late")
    page.keyboard.press("Enter")
    tile(page, "fine-14.png").click()
    page.get_by_role("button", name="Done").click()

    page.get_by_role("button", name="Train…").click()
    dialog = page.get_by_role("dialog", name="Fields")
    dialog.get_by_role("button", name="Evaluate").click()
    page.wait_for_timeout(500)
    assert len(held) == 1
    assert not any("/execution" in url for url in visit.requests)
    held.pop().continue_()
    expect(dialog.locator(".job")).to_contain_text("Evaluation · fields")
    wait_for_job(fields.url, "evaluate")
    page.keyboard.press("Escape")

    page.get_by_role("button", name="Label", exact=True).click()
    page.get_by_label("Label to add").fill("later")
    page.keyboard.press("Enter")
    tile(page, "fine-13.png").click()
    page.get_by_role("button", name="Done").click()
    page.get_by_role("button", name="Details").first.click()
    dialog.get_by_role("tab", name="Labels").click()
    with page.expect_download() as download:
        dialog.get_by_role("link", name="Export as CSV").click()
        page.wait_for_timeout(500)
        held.pop().continue_()
    assert "later" in download.value.path().read_text()


def test_a_training_without_labels_is_refused_with_what_is_missing(visit_empty: Visit) -> None:
    visit_empty.allowed.append("status of 4")
    with httpx.Client(base_url=visit_empty.url, timeout=120) as client:
        client.post("/collections", json={"id": "bare"}).raise_for_status()
        sent = client.post("/collections/bare/items", files=[("files", ("one.png", striped(30)))])
        follow_job(client, sent.json()["id"])
    page = visit_empty.open("#collection=bare")
    page.get_by_role("button", name="Train…").click()
    dialog = page.get_by_role("dialog", name="bare")
    expect(dialog).to_contain_text("Label some tiles first")
    dialog.get_by_role("button", name="Train", exact=True).click()
    expect(dialog.get_by_role("alert")).to_contain_text("no tile has a label")
