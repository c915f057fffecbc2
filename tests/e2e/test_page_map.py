"""Page: the map as a way to search, its layers, and saved searches."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import JOB_MS, TIMEOUT_MS, Visit
from tests.e2e.test_page import ranked

if TYPE_CHECKING:
    from playwright.sync_api import Page

if os.environ.get("CI") != "true":
    pytest.importorskip("playwright", reason="needs the Python package playwright (in the extra `dev`)", exc_type=ImportError)
from playwright.sync_api import expect

PICTURE_RANKS = """() => {
    const ids = [...document.querySelectorAll(".card")].map((card) => card.dataset.id);
    return [...document.querySelectorAll("img.tile-image")].map((image) => ids.findIndex((id) => image.src.includes(id)));
}"""
FREE_PLACE = """() => {
    const boxes = [...document.querySelectorAll("path.footprint")].map((path) => path.getBoundingClientRect());
    const low = (key) => Math.min(...boxes.map((box) => box[key])), high = (key) => Math.max(...boxes.map((box) => box[key]));
    for (let y = low("top") + 5; y < high("bottom") - 5; y += 7)
        for (let x = low("left") + 5; x < high("right") - 5; x += 7)
            if (document.elementFromPoint(x, y)?.matches("#map, .leaflet-pane, svg")) return [x, y];
    return null;
}"""
SHARE_DRAWN = """(pane) => {
    const counts = [...document.querySelectorAll(`.leaflet-${pane}-pane img.leaflet-tile-loaded`)].map((image) => {
        const canvas = Object.assign(document.createElement("canvas"), {width: 64, height: 64});
        const context = canvas.getContext("2d");
        context.drawImage(image, 0, 0, 64, 64);
        return context.getImageData(0, 0, 64, 64).data.filter((value, n) => n % 4 === 3 && value > 0).length / 4096;
    });
    return counts.length ? Math.max(...counts) : 0;
}"""


def until(page: Page, holds: Callable[[], bool]) -> None:
    """Wait until a condition holds. `wait_for_function` evaluates its text in the page, which the page's policy forbids."""
    for _ in range(TIMEOUT_MS // 200):
        if holds():
            return
        page.wait_for_timeout(200)
    raise AssertionError("the condition did not hold in time")


def sample(visit: Visit) -> Page:
    """The sample scene, all its tiles, without a query."""
    page = visit.open()
    page.get_by_role("button", name="Try it with a sample scene").click()
    page.wait_for_url(re.compile("collection=sample"), timeout=JOB_MS)
    ranked(page)
    return page


def test_pictures_on_the_map_are_stacked_as_their_ranks(visit_empty: Visit) -> None:
    page = sample(visit_empty)
    for _ in range(2):
        page.locator(".leaflet-control-zoom-in").click()
    until(page, lambda: len(page.evaluate(PICTURE_RANKS)) > 3)
    ranks = page.evaluate(PICTURE_RANKS)
    assert -1 not in ranks
    assert ranks == sorted(ranks, reverse=True), "the best rank is drawn last, above the others"


def test_a_click_beside_the_results_searches_with_that_place(visit_empty: Visit) -> None:
    page = sample(visit_empty)
    expect(page.locator("path.query-mark")).to_have_count(1)
    page.get_by_role("button", name="Clear query").click()
    expect(page.locator("path.query-mark")).to_have_count(0)
    place = page.evaluate(FREE_PLACE)
    assert place is not None
    page.mouse.click(*place)
    page.wait_for_url(re.compile(r"point=-?\d+\.\d+,-?\d+\.\d+"))
    ranked(page)
    expect(page.locator(".query-place")).to_contain_text("Place on the map")
    expect(page.locator("path.query-mark")).to_have_count(1)
    page.reload()
    ranked(page)
    expect(page.locator(".query-place")).to_be_visible()


def test_imagery_and_a_saved_search_are_layers_of_the_map(visit_empty: Visit) -> None:
    page = sample(visit_empty)
    until(page, lambda: page.evaluate(SHARE_DRAWN, "imagery") > 0.05)
    page.get_by_label("Imagery").uncheck()
    expect(page.locator(".leaflet-imagery-pane img")).to_have_count(0)

    page.get_by_label("Name of this search").fill("Fields like this")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("checkbox", name="On the map")).to_be_checked()
    expect(page.locator("#map-legend")).to_contain_text("Fields like this")
    until(page, lambda: page.evaluate(SHARE_DRAWN, "similarity") > 0.05)
    whole = page.evaluate(SHARE_DRAWN, "similarity")
    page.get_by_label("Least match probability on the map").fill("95")
    until(page, lambda: 0 < page.evaluate(SHARE_DRAWN, "similarity") < 0.7 * whole)
    page.get_by_role("button", name="Hide layer").click()
    expect(page.locator("#map-legend")).to_be_hidden()

    query = page.url
    page.get_by_role("button", name="Clear query").click()
    page.reload()
    page.get_by_role("button", name="Fields like this").click()
    ranked(page)
    assert page.url.split("item=")[1] == query.split("item=")[1]
    page.locator(".saved-search summary").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert "rank" in download.value.path().read_text().splitlines()[0]
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator(".saved-search")).to_have_count(0)
