"""Page: labelling by click and by keyboard, bulk labelling, undo, and rejected changes."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.e2e.conftest import CONTRAST, TILES, Archive, Visit

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page, Route

if os.environ.get("CI") != "true":
    pytest.importorskip("playwright", reason="needs the Python package playwright (in the extra `dev`)", exc_type=ImportError)
from playwright.sync_api import expect

Visitor = Callable[..., Visit]


def labels_at_service(archive: Archive, name: str) -> set[str]:
    """Return the labels of a tile as stored by the service."""
    answer = httpx.get(f"{archive.url}/collections/shapes/items", params={"limit": TILES}).json()
    (labels,) = (f["properties"]["labels"] for f in answer["features"] if f["properties"]["file_name"] == name)
    return set(labels)


def wait_for_labels(archive: Archive, name: str, expected: set[str]) -> None:
    """Wait until the service has stored these labels of a tile."""
    deadline = time.monotonic() + 60
    while (found := labels_at_service(archive, name)) != expected and time.monotonic() < deadline:
        time.sleep(0.1)
    assert found == expected


def start(page: Page, label: str) -> None:
    """Start labelling with a typed label; the focus is then on a tile."""
    expect(page.locator(".card.active")).to_have_count(1)
    page.get_by_role("button", name="Label", exact=True).click()
    page.get_by_label("Label to add").fill(label)
    page.keyboard.press("Enter")
    expect(page.locator(".card.active a.tile")).to_be_focused()


def chips(card: Locator) -> Locator:
    """Return the label chips of a card."""
    return card.locator(".chip")


def test_tiles_are_labelled_by_keyboard(visitor: Visitor, archive: Archive) -> None:
    page = visitor(archive.url).open("#collection=shapes")
    expect(page.locator(".card").first).to_be_visible()
    page.keyboard.press("l")
    expect(page.get_by_label("Label to add")).to_be_focused()
    page.keyboard.type("by key")
    page.keyboard.press("Enter")
    card, second = page.locator(".card").nth(0), page.locator(".card").nth(1)
    own = card.locator(".chip").inner_text()
    name, other = (each.locator(".name").inner_text() for each in (card, second))
    others = set(chips(second).all_inner_texts())
    page.keyboard.press("Enter")
    expect(chips(card)).to_have_text([own, "by key"])
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    expect(chips(second)).to_contain_text(["by key"])
    expect(second.locator("a")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("u")
    expect(chips(second)).to_have_count(1)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("x")
    expect(chips(card)).to_have_text([own])
    page.keyboard.press("u")
    expect(chips(card)).to_have_text([own, "by key"])
    used = page.locator(".label-key").filter(has_text=re.compile("narrow|middle|wide"))
    expect(used).to_have_count(3)
    page.keyboard.press("Escape")
    expect(page.locator("#label-bar")).to_be_hidden()
    wait_for_labels(archive, name, {own, "by key"})
    wait_for_labels(archive, other, others)
    page.reload()
    expect(chips(page.locator(".card", has_text=name))).to_have_text([own, "by key"])


def test_a_digit_selects_its_label_and_a_click_adds_it(visitor: Visitor, archive: Archive) -> None:
    page = visitor(archive.url).open("#collection=shapes&labels=wide")
    start(page, "brick")
    expect(page.locator(".label-hint")).to_contain_text("labels ready for training")
    for number in (0, 2):
        page.locator(".card .tile").nth(number).click()
        expect(chips(page.locator(".card").nth(number))).to_contain_text(["wide", "brick"])
    page.locator(".card .tile").nth(2).click()
    expect(chips(page.locator(".card").nth(2))).to_have_text(["wide"])
    expect(page.locator(".label-key", has_text="brick")).to_have_text(re.compile(r"\dbrick1/2"))
    digit = page.locator(".label-key", has_text="middle").locator("kbd").inner_text()
    page.locator(".card a").nth(3).focus()
    page.keyboard.press(digit)
    expect(chips(page.locator(".card").nth(3))).to_have_text(["wide", "middle"])
    page.locator(".card .tile").nth(4).click()
    expect(chips(page.locator(".card").nth(4))).to_have_text(["wide", "middle"])
    assert "/#collection=shapes&labels=wide" in page.url


def test_marked_tiles_are_labelled_and_undone_together(visitor: Visitor, archive: Archive) -> None:
    page = visitor(archive.url).open("#collection=shapes")
    page.locator(".card a").first.click()
    expect(page.locator("#status")).to_contain_text("searched in")
    for number in (1, 2, 5):
        page.locator(".card").nth(number).get_by_role("button", name="More like this").click()
    start(page, "marked")
    page.get_by_role("button", name="Label 3 marked tiles").click()
    expect(page.locator(".chip", has_text="marked")).to_have_count(3)
    expect(page.locator(".label-key", has_text="marked")).to_contain_text("3")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".chip", has_text="marked")).to_have_count(0)


def test_a_label_that_cannot_be_saved_is_reverted_with_an_error(visitor: Visitor, archive: Archive) -> None:
    visit = visitor(archive.url)
    visit.allowed += ["status of 503"]
    page = visit.open("#collection=shapes&labels=narrow")
    start(page, "lost")
    own = chips(page.locator(".card").first).all_inner_texts()

    def refuse(route: Route) -> None:
        problem = {"type": "about:blank", "title": "Unavailable", "status": 503, "detail": "the vector store does not answer"}
        route.fulfill(status=503, content_type="application/problem+json", body=json.dumps(problem))

    page.route("**/items/*", lambda route: refuse(route) if route.request.method == "PATCH" else route.continue_())
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="the vector store does not answer")).to_contain_text("1 tile could not")
    expect(chips(page.locator(".card").first)).to_have_text(own)
    page.unroute("**/items/*")
    page.get_by_role("button", name="Try again").click()
    expect(chips(page.locator(".card").first)).to_have_text([*own, "lost"])
    expect(page.get_by_text("could not be labelled")).to_have_count(0)


def test_two_pages_that_label_one_tile_keep_both_labels(visitor: Visitor, archive: Archive) -> None:
    pages = [visitor(archive.url).open("#collection=shapes&labels=middle") for _ in range(2)]
    for number, page in enumerate(pages):
        start(page, f"page {number}")
    cards = [page.locator(".card").nth(3) for page in pages]
    name = cards[0].locator(".name").inner_text()
    own = chips(cards[0]).all_inner_texts()
    expect(cards[1].locator(".name")).to_have_text(name)
    cards[0].locator(".tile").click()
    wait_for_labels(archive, name, {*own, "page 0"})
    cards[1].locator(".tile").click()
    wait_for_labels(archive, name, {*own, "page 0", "page 1"})
    expect(chips(cards[1])).to_have_text([*own, "page 0", "page 1"])  # shown with the answer of the service
    pages[0].keyboard.press("u")
    expect(chips(cards[0])).to_have_text([*own, "page 1"])
    wait_for_labels(archive, name, {*own, "page 1"})
    pages[0].keyboard.press("Enter")
    wait_for_labels(archive, name, {*own, "page 1", "page 0"})
    cards[1].locator("a.tile").focus()
    for _ in range(2):  # quickly: removed and added again, with one request at a time
        pages[1].keyboard.press("Enter")
    expect(chips(cards[1])).to_have_text([*own, "page 0", "page 1"])
    wait_for_labels(archive, name, {*own, "page 0", "page 1"})


def test_the_details_add_and_remove_labels(visitor: Visitor, archive: Archive) -> None:
    page = visitor(archive.url).open("#collection=shapes&labels=wide")
    card = page.locator(".card").nth(5)
    name = card.locator(".name").inner_text()
    (item,) = (
        feature["id"]
        for feature in httpx.get(f"{archive.url}/collections/shapes/items?limit=100").json()["features"]
        if feature["properties"]["file_name"] == name
    )
    httpx.patch(f"{archive.url}/collections/shapes/items/{item}", json={"labels": {"add": ["other user"]}}).raise_for_status()
    card.get_by_role("button", name="Details").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".label-editor .chip")).to_have_text(["wide", "other user"])
    httpx.patch(f"{archive.url}/collections/shapes/items/{item}", json={"labels": {"add": ["later"]}}).raise_for_status()
    dialog.get_by_label("Remove label other user").click()
    expect(dialog.locator(".label-editor .chip")).to_have_text(["wide", "later"])
    wait_for_labels(archive, name, {"wide", "later"})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_bar_has_enough_contrast_and_fits_a_phone(visitor: Visitor, archive: Archive, scheme: str) -> None:
    page = visitor(archive.url, color_scheme=scheme, viewport={"width": 400, "height": 800}).open("#collection=shapes")
    start(page, "narrow")
    for selector in (".label-hint span", ".label-key .ellipsis", ".label-key .option-count", "#label-done", "#label"):
        assert page.locator(selector).first.evaluate(CONTRAST) >= 4.5, selector
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
