"""Page: dates on the map: the timeline, the same place on other dates, two dates side by side."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import Visit, follow_job, until
from tests.support.pictures import striped
from tests.support.process import ServeProcess

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

if os.environ.get("CI") != "true":
    pytest.importorskip("playwright", reason="needs the Python package playwright (in the extra `dev`)", exc_type=ImportError)
from playwright.sync_api import expect

Visitor = Callable[..., Visit]
TINTS = {"2001-05-01": (1.0, 0.1, 0.1), "2011-06-01": (0.1, 1.0, 0.1), "2021-07-01": (0.1, 0.1, 1.0)}
"""Dates, and the colour of the tiles of each."""
RED, GREEN, BLUE = range(3)
PLACES = 4
STRONGEST = """(pane) => {
    const sums = [0, 0, 0];
    for (const image of document.querySelectorAll(`.leaflet-${pane}-pane img.leaflet-tile-loaded`)) {
        const canvas = Object.assign(document.createElement("canvas"), {width: 64, height: 64});
        const context = canvas.getContext("2d");
        context.drawImage(image, 0, 0, 64, 64);
        context.getImageData(0, 0, 64, 64).data.forEach((value, n) => { if (n % 4 < 3) sums[n % 4] += value; });
    }
    const most = Math.max(...sums);
    return most && sums.filter((value) => value > most / 2).length === 1 ? sums.indexOf(most) : null;
}"""
"""JavaScript function: the only strong channel of the pictures in a pane of the map; null if there is none."""


@pytest.fixture(scope="module")
def dated(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[str]:
    """The address of a service with the collection `dated`: 4 places, each on 3 dates of different colours."""
    files, metadata = {}, {}
    for number in range(PLACES):
        for day, tint in TINTS.items():
            name = f"{number}-{day}.png"
            files[name] = striped(number * 20, seed=number, tint=tint, size=64)
            west = 10 + number * 0.01
            metadata[name] = {"bbox": [west, 50.0, west + 0.01, 50.0064], "datetime": f"{day}T10:00:00Z"}
    with ServeProcess(tmp_path_factory.mktemp("dated") / "home") as service:
        service.client.post("/collections", json={"id": "dated", "tile_size": 64, "model": "hog"}).raise_for_status()
        parts = [("files", (name, data)) for name, data in files.items()]
        accepted = service.client.post("/collections/dated/items", files=parts, data={"metadata": json.dumps(metadata)})
        follow_job(service.client, accepted.raise_for_status().json()["id"])
        yield service.url


def shown(page: Page, pane: str) -> int | None:
    """The colour of the imagery in a pane."""
    found: int | None = page.evaluate(STRONGEST, pane)
    return found


def test_a_date_of_the_timeline_filters_the_tiles_and_the_imagery(visitor: Visitor, dated: str) -> None:
    page = visitor(dated).open("#collection=dated")
    bars = page.locator(".time-bar")
    expect(bars).to_have_count(3)
    expect(bars.first).to_have_attribute("aria-label", "2001-05-01: 4 tiles")
    until(page, lambda: shown(page, "imagery") == BLUE)  # the newest is on top
    bars.nth(0).click()
    expect(page.locator("#status")).to_contain_text("4 of 12 tiles")
    assert page.url.endswith("from=2001-05-01&to=2001-05-01")
    until(page, lambda: shown(page, "imagery") == RED)
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator("#status")).to_contain_text("8 of 12 tiles")
    expect(page.locator("#timeline-note")).to_have_text("2001-05-01 to 2011-06-01: 8 tiles")
    until(page, lambda: shown(page, "imagery") == GREEN)
    page.get_by_role("button", name="Next date").click()
    expect(page.locator(".time-bar[aria-pressed=true]")).to_have_count(1)
    expect(page.locator("#timeline-note")).to_have_text("2021-07-01: 4 tiles")
    page.get_by_role("button", name="All dates").click()
    expect(page.locator("#status")).to_contain_text("12 tiles")
    bars.nth(0).hover()
    page.mouse.down()
    bars.nth(1).hover()
    bars.nth(2).hover()
    bars.nth(1).hover()
    page.mouse.up()
    expect(page.locator("#status")).to_contain_text("8 of 12 tiles")


def test_two_dates_are_compared_at_a_divide(visitor: Visitor, dated: str) -> None:
    page = visitor(dated).open("#collection=dated")
    page.get_by_role("button", name="Compare dates").click()
    until(page, lambda: (shown(page, "swipe-left"), shown(page, "swipe-right")) == (RED, BLUE))
    expect(page.locator(".leaflet-imagery-pane")).to_have_css("visibility", "hidden")
    page.get_by_label("Date on the left").select_option("2011-06-01")
    until(page, lambda: shown(page, "swipe-left") == GREEN)
    divide = page.get_by_role("slider", name="Divide between the dates")
    box, area = divide.bounding_box(), page.locator("#map").bounding_box()
    assert box is not None
    assert area is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(area["x"] + area["width"] / 4, box["y"] + 220, steps=3)
    page.mouse.up()
    expect(divide).to_have_attribute("aria-valuenow", "25")
    page.keyboard.press("ArrowLeft")
    expect(divide).to_have_attribute("aria-valuenow", "21")
    page.get_by_role("button", name="Compare dates").click()
    expect(divide).to_be_hidden()
    until(page, lambda: shown(page, "imagery") == BLUE)


def test_details_show_the_same_place_on_other_dates(visitor: Visitor, dated: str) -> None:
    page = visitor(dated).open("#collection=dated")
    card = page.locator(".card").first
    name = card.locator(".name").inner_text()
    card.get_by_role("button", name="Details").click()
    strip = page.locator(".other-dates li button")
    expect(strip).to_have_text(list(TINTS))
    expect(page.locator(".other-dates [aria-current]")).to_have_text(name[2:12])
    other = next(day for day in TINTS if day not in name)
    strip.filter(has_text=other).click()
    expect(page.get_by_role("dialog", name=f"{name[0]}-{other}.png")).to_be_visible()
    page.get_by_role("button", name="Compare dates on the map").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("slider", name="Divide between the dates")).to_be_focused()
    left, right = sorted([other, next(day for day in reversed(TINTS) if day != other)])
    expect(page.get_by_label("Date on the left").locator("option:checked")).to_have_text(left)
    expect(page.get_by_label("Date on the right").locator("option:checked")).to_have_text(right)
