"""Page: shapes drawn on the map are examples, right or wrong, or a filter."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import TILES, Archive, Visit, until
from tests.e2e.test_page import PAGE, names, ranked

if TYPE_CHECKING:
    from playwright.sync_api import Page

if os.environ.get("CI") != "true":
    pytest.importorskip("playwright", reason="needs the Python package playwright (in the extra `dev`)", exc_type=ImportError)
from playwright.sync_api import expect

Visitor = Callable[..., Visit]
PLACES = """() => [...document.querySelectorAll("path.footprint")].map((path) => path.getBoundingClientRect())
    .map(({x, y, width, height}) => [x + width / 2, y + height / 2]).sort(([a], [b]) => a - b)"""


def places(page: Page) -> list[list[float]]:
    """Middles of the footprints on the screen, from west to east."""
    expect(page.locator("path.footprint")).to_have_count(PAGE)
    return list(page.evaluate(PLACES))


def drag(page: Page, points: list[tuple[float, float]]) -> None:
    """Drag the mouse through points."""
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point)
    page.mouse.up()


def test_areas_are_examples_right_and_wrong(visitor: Visitor, archive: Archive) -> None:
    page = visitor(archive.url).open("#collection=shapes")
    x, y = places(page)[3]
    page.get_by_role("button", name="Draw lasso").click()
    expect(page.locator("#map-hint")).to_contain_text("Drag around")
    drag(page, [(x - 6, y - 6), (x + 6, y - 7), (x + 7, y + 6), (x - 5, y + 7), (x - 6, y)])
    page.get_by_role("button", name="Search with this area").click()
    ranked(page)
    expect(page.locator(".areas li")).to_have_count(1)
    expect(page.locator("path.query-mark.more")).to_have_count(1)
    first = names(page)

    x, y = places(page)[10]
    page.get_by_role("button", name="Draw box").click()
    drag(page, [(x - 6, y - 6), (x + 6, y + 6)])
    page.locator(".uses").get_by_role("button", name="Less like this").click()
    expect(page.locator("path.query-mark.less")).to_have_count(1)
    ranked(page)
    assert names(page) != first
    assert re.search(r"&area=[\d.,]+&notarea=[\d.,]+$", page.url)
    page.reload()
    ranked(page)
    expect(page.locator(".areas li.less")).to_have_count(1)
    page.locator(".areas li.less button").click()
    until(page, lambda: names(page) == first)


def test_a_polygon_is_a_filter(visitor: Visitor, archive: Archive) -> None:
    page = visitor(archive.url).open("#collection=shapes")
    found = places(page)
    inside = [place for place in found if found[4][0] - 1 < place[0] < found[9][0] + 1]
    (left, y), (right, _) = inside[0], inside[-1]
    page.get_by_role("button", name="Draw polygon").click()
    for corner in ((left, y - 40), (right, y - 40), (right, y + 40), (left, y + 40)):
        page.mouse.click(*corner)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Filter: only tiles here").click()
    expect(page.locator("#status")).to_contain_text(f"of {TILES} tiles match the filters")
    assert "within=" in page.url
    assert len(inside) <= len(names(page)) < TILES
    expect(page.locator("path.box")).to_have_count(1)
    page.locator(".card a").first.click()
    ranked(page)
    assert len(names(page)) < TILES - 1
    page.get_by_role("button", name="Remove drawn area").click()
    expect(page.locator(".card")).to_have_count(PAGE)


def test_a_box_is_drawn_with_the_keyboard(visitor: Visitor, archive: Archive) -> None:
    page = visitor(archive.url).open("#collection=shapes")
    places(page)
    page.get_by_role("button", name="Draw box").focus()
    middle = "() => document.querySelector('.leaflet-map-pane').style.transform"

    def moved(before: str) -> bool:
        return bool(page.evaluate(middle) != before)

    for key in ("Enter", "Space", "ArrowRight", "ArrowDown"):
        before = page.evaluate(middle)
        page.keyboard.press(key)
        if key.startswith("Arrow"):
            until(page, functools.partial(moved, before))
            page.wait_for_timeout(400)  # the map has stopped
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Search with this area")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".uses")).to_have_count(0)
    expect(page.locator("#map")).to_be_focused()
