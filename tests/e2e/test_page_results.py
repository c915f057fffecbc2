"""Page: thousands of results, going back to a place in them, their order, selection, export and comparison."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.e2e.conftest import TILES, Archive, Visit
from tests.e2e.test_page_label_tools import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

if os.environ.get("CI") != "true":
    pytest.importorskip("playwright", reason="needs the Python package playwright (in the extra `dev`)", exc_type=ImportError)
from playwright.sync_api import expect

Visitor = Callable[..., Visit]

MANY = 2000
MOST_CARDS = 160
"""Limit for the cards that are elements at one time."""
NO_PICTURES = """
    const set = Element.prototype.setAttribute;
    const none = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'/>";
    Element.prototype.setAttribute = function (name, value) {
        set.call(this, name, name === "src" && this.tagName === "IMG" ? none : value);
    };"""
"""Script that replaces all pictures, to load none of the made-up tiles."""
IN_VIEW = """() => {
    const list = document.getElementById("results").getBoundingClientRect();
    return [...document.querySelectorAll(".card")].filter((card) => {
        const box = card.getBoundingClientRect();
        return box.top >= list.top + 40 && box.bottom <= list.bottom;
    }).map((card) => Number(card.getAttribute("aria-posinset")));
}"""
"""JavaScript function: the positions of the cards that are fully visible."""


def serve_many(page: Page) -> list[int]:
    """Answer lists of tiles with `MANY` made-up ones, in pages; return the list to which the page's offsets are added."""
    offsets: list[int] = []

    def answer(route: Route) -> None:
        query = parse_qs(urlsplit(route.request.url).query)
        if "ids" in query:
            route.fulfill(json={"type": "FeatureCollection", "features": []})
            return
        start, limit = int(query.get("token", ["0"])[0]), int(query["limit"][0])
        offsets.append(start)
        end = min(start + limit, MANY)
        features = [
            {
                "type": "Feature",
                "id": f"{n:08}-0000-4000-8000-000000000000",
                "geometry": None,
                "properties": {"file_name": f"tile-{n}"},
            }
            for n in range(start, end)
        ]
        links = [{"rel": "next", "href": f"items?token={end}"}] if end < MANY else []
        route.fulfill(json={"type": "FeatureCollection", "features": features, "number_matched": MANY, "links": links})

    page.route("**/collections/shapes/items?*", answer)
    page.add_init_script(NO_PICTURES)
    return offsets


def test_two_thousand_tiles_are_one_list_with_few_elements(visitor: Visitor, archive: Archive) -> None:
    visit = visitor(archive.url)
    offsets = serve_many(visit.page)
    page = visit.open("#collection=shapes")
    expect(page.locator(".card .name").first).to_have_text("tile-0")
    most = 0
    while page.evaluate("document.getElementById('more').textContent") != "All 2\u202f000 shown":
        page.evaluate("document.getElementById('results').scrollTop += 12000")
        page.wait_for_timeout(20)
        most = max(most, page.locator(".card").count())
        places = page.evaluate(IN_VIEW)
        assert places == list(range(places[0], places[0] + len(places))) if places else True
    assert offsets[0] == 0 and offsets == sorted(set(offsets))  # each page once
    assert most <= MOST_CARDS
    page.evaluate("document.getElementById('results').scrollTop = 1e9")
    expect(page.locator(".card .name").last).to_have_text(f"tile-{MANY - 1}")
    page.keyboard.press("g")
    page.keyboard.press("Home")
    expect(page.locator(".card.active .name")).to_have_text("tile-0")
    page.keyboard.press("End")
    expect(page.locator(".card.active .name")).to_have_text(f"tile-{MANY - 1}")
    expect(page.locator(".card.active a.tile")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".card.active")).to_have_attribute("aria-posinset", str(MANY - 1))
    page.evaluate("document.getElementById('results').scrollTop = 0")
    expect(page.locator(".card .name").first).to_have_text("tile-0")
    expect(page.locator(".card.active a.tile")).to_be_focused()  # the focus stays on a card that is not on the screen
    assert page.locator(".card").count() <= MOST_CARDS


def test_back_returns_to_the_same_tile_without_a_request(visitor: Visitor, archive: Archive) -> None:
    visit = visitor(archive.url)
    page = visit.open("#collection=shapes")
    expect(page.locator(".card").first).to_be_visible()
    page.evaluate("document.getElementById('results').scrollTop = 900")
    expect(page.locator("#more")).to_contain_text(re.compile("loaded|shown"))
    page.wait_for_timeout(200)
    at = page.evaluate(IN_VIEW)[0]
    card = page.locator(f".card[aria-posinset='{at}']")
    top = card.bounding_box()
    card.locator("a.tile").click()
    expect(page.locator(".card .rank").first).to_have_text("1")
    assert page.evaluate("document.getElementById('results').scrollTop") == 0
    before = len([url for url in visit.requests if "/items?" in url and "ids=" not in url])
    page.go_back()
    expect(page.locator(".card .rank")).to_have_count(0)
    expect(card.locator("a.tile")).to_be_focused()
    again = card.bounding_box()
    assert top and again and abs(top["y"] - again["y"]) < 2
    assert len([url for url in visit.requests if "/items?" in url and "ids=" not in url]) == before
    page.go_forward()
    expect(page.locator(".card .rank").first).to_have_text("1")


def test_tiles_are_ordered_by_date_and_place(visitor: Visitor, archive: Archive) -> None:
    page = visitor(archive.url).open("#collection=shapes")
    names = page.locator(".card .name")
    page.get_by_label("Order").select_option("Newest first")
    expect(names.first).to_have_text(f"wide-{TILES - 1}.png")  # one month apart, in the order of the numbers
    assert "sort=-date" in page.url
    page.reload()
    expect(names.first).to_have_text(f"wide-{TILES - 1}.png")
    page.get_by_label("Order").select_option("West to east")
    expect(names.first).to_have_text("narrow-00.png")
    numbers = [int(name[-6:-4]) for name in names.all_inner_texts()]
    assert numbers == sorted(numbers)
    names.first.locator("xpath=ancestor::li").locator("a.tile").click()
    expect(page.get_by_label("Order")).to_have_value("west")
    expect(page.locator("#more")).to_contain_text(re.compile("All 44 shown|Sorted among the"))
    numbers = [int(name[-6:-4]) for name in names.all_inner_texts()]
    assert numbers == sorted(numbers) and 0 not in numbers
    ranks = [int(rank) for rank in page.locator(".card .rank").all_inner_texts()]
    assert ranks != sorted(ranks)  # still those of the search
    page.get_by_label("Order").select_option("Best match")
    expect(page.locator(".card .rank").first).to_have_text("1")


def labelled(archive: Archive, label: str) -> set[str]:
    """Identifiers of the tiles with a label at the service."""
    answer = httpx.get(f"{archive.url}/collections/shapes/items", params={"labels": label, "limit": TILES}).json()
    return {feature["id"] for feature in answer["features"]}


def selected(page: Page) -> list[str]:
    """Identifiers of the selected cards on the screen."""
    return [str(card.get_attribute("data-id")) for card in page.locator(".card.selected").all()]


def test_selected_tiles_get_and_lose_a_label_and_are_exported(visitor: Visitor, archive: Archive) -> None:
    page = visitor(archive.url).open("#collection=shapes")
    tile = page.locator(".card a.tile")
    tile.nth(2).click(modifiers=["Control"])
    tile.nth(6).click(modifiers=["Shift"])
    expect(page.locator("#selection-bar")).to_contain_text("5 tiles selected")
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator(".card.selected")).to_have_count(6)
    page.keyboard.press("s")
    expect(page.locator(".card.selected")).to_have_count(5)
    ids = set(selected(page))
    page.get_by_role("button", name="Label…", exact=True).click()
    dialog = page.get_by_role("dialog")
    page.keyboard.type("picked")
    page.keyboard.press("Enter")
    expect(dialog).to_contain_text("picked added to 5 tiles")
    expect(page.locator("#grid .chip", has_text="picked")).to_have_count(5)
    expect(dialog.locator(".bulk-labels li").filter(has_text="picked")).to_contain_text("all")
    wait_until(lambda: labelled(archive, "picked") == ids)
    dialog.get_by_role("button", name="Remove picked").click()
    expect(page.locator("#grid .chip", has_text="picked")).to_have_count(0)
    page.keyboard.press("Escape")
    page.get_by_text("Export", exact=True).click()
    csv = page.get_by_role("link", name="CSV").evaluate("(link) => link.href")
    assert all(each in httpx.get(csv).text for each in ids)
    assert len(httpx.get(csv).text.strip().splitlines()) == 6
    wait_until(lambda: labelled(archive, "picked") == set())
    page.keyboard.press("Escape")  # closes the menu, and only that
    expect(page.get_by_role("link", name="CSV")).to_be_hidden()
    expect(page.locator(".card.selected")).to_have_count(5)
    page.keyboard.press("Escape")
    expect(page.locator(".card.selected")).to_have_count(0)
    page.keyboard.press("g")
    page.keyboard.press("Control+a")
    expect(page.locator("#selection-bar")).to_contain_text("30 tiles selected")


def test_two_selected_tiles_are_compared(visitor: Visitor, archive: Archive) -> None:
    page = visitor(archive.url).open("#collection=shapes")
    for number in (0, 3):
        page.locator(".card a.tile").nth(number).click(modifiers=["Control"])
    names = page.locator(".card.selected .name").all_inner_texts()
    page.get_by_role("button", name="Compare", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("figcaption")).to_have_text([re.compile(re.escape(name)) for name in names])
    expect(dialog).to_contain_text(re.compile(r"\d %\s*match · cosine similarity"))
    expect(dialog.locator(".heat")).to_have_count(2)
    opacities = dialog.locator(".heat i").evaluate_all("(cells) => cells.map((cell) => Number(cell.style.opacity))")
    assert max(opacities) == 1 and min(opacities) == 0
    dialog.get_by_label("Show where they match").uncheck()
    expect(dialog.locator(".heat").first).to_be_hidden()


def test_selected_tiles_are_examples(visitor: Visitor, archive: Archive) -> None:
    page = visitor(archive.url).open("#collection=shapes")
    for number in (1, 2):
        page.locator(".card").nth(number).hover()
        page.locator(".card").nth(number).get_by_role("button", name="Select").click()
    ids = selected(page)
    page.get_by_role("button", name="More like these").click()
    expect(page.locator(".card .rank").first).to_have_text("1")
    assert parse_qs(urlsplit(page.url).fragment)["item"] == [",".join(ids)]
    assert json.dumps(selected(page)) == "[]"
