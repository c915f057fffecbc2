"""Journeys: the similarity of a saved search as a layer, and dates on the map."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

import pytest

from tests.e2e.conftest import until
from tests.e2e.journeys.conftest import Box, Journey, Land, Pixels, changed, likeness
from tests.e2e.test_page import ranked

if os.environ.get("CI") != "true":
    pytest.importorskip("playwright", reason="needs the Python package playwright (in the extra `dev`)", exc_type=ImportError)
from playwright.sync_api import expect

Begin = Callable[[str], Journey]
TITLE = "Like this field"


def middle(box: Box) -> Box:
    """The middle of a box, without the outlines around it."""
    x, y, width, height = box
    return x + 0.15 * width, y + 0.15 * height, 0.7 * width, 0.7 * height


def test_a_saved_search_is_a_layer(journey: Begin, land: Land) -> None:
    here = journey(land.url)
    page = here.open("#collection=land")
    here.press(page.locator(".card a.tile").first)
    ranked(page)
    if here.touch:
        here.press(page.locator("#saved > summary"))
    page.get_by_label("Name of this search").fill(TITLE)
    here.button("Save", exact=True)
    expect(page.get_by_role("checkbox", name="On the map")).to_be_checked()
    expect(page.locator("#map-legend")).to_contain_text(TITLE)
    (search,) = land.client.get("/collections/land/searches").json()["searches"]
    try:
        if here.touch:
            here.button("Map", exact=True)
        page.wait_for_load_state("networkidle")
        legend = page.locator("#map-legend")
        assert legend.evaluate(
            "(box) => [...box.querySelectorAll('*')].every((e) => e.scrollWidth <= e.clientWidth + 1 || !e.clientWidth)"
        )
        x, y, width, height = here.box("#map-body")
        _left, top, _width, legend_height = here.box("#map-legend")
        area = (
            (x + 60, top + legend_height + 4, width - 120, height / 3)
            if here.touch
            else (x + 60, y + 40, width - 120, height / 2)
        )
        coloured = here.pixels(area)
        here.save("05-similarity")
        threshold = page.get_by_label("Least match probability on the map")
        threshold.fill("95")
        expect(legend.locator("output").first).to_contain_text("95")
        page.wait_for_load_state("networkidle")
        few = here.pixels(area)
        here.save("05-similarity-threshold")
        here.button("Hide layer")
        expect(legend).to_be_hidden()
        page.wait_for_load_state("networkidle")
        plain = here.pixels(area)
        assert changed(coloured, plain) > 0.2, "the layer is drawn"
        assert 0 <= changed(few, plain) < 0.8 * changed(coloured, plain), "the threshold takes tiles away"
    finally:
        land.client.delete(f"/searches/{search['id']}").raise_for_status()


def test_dates_on_the_map(journey: Begin, land: Land) -> None:
    here = journey(land.url)
    page = here.open("#collection=land")
    bars = page.locator(".time-bar")
    expect(bars).to_have_count(len(land.dates))
    first, last = land.dates[0], land.dates[-1]
    here.press(bars.first)
    page.wait_for_url(re.compile(f"from={first}&to={first}$"))
    expect(page.locator("#timeline-note")).to_contain_text(first)
    page.wait_for_load_state("networkidle")
    until(page, lambda: bool(here.footprints()) and all(here.on_map(box) for box in here.footprints().values()))
    old = {f["id"]: f for f in land.tiles() if f["properties"]["datetime"][:10] == first}
    boxes = {item: box for item, box in here.footprints().items() if item in old}
    assert len(boxes) == len(here.footprints())
    here.save("06-one-date")
    for item, box in list(boxes.items())[:2]:
        assert likeness(here.pixels(middle(box)), core(land.picture(item))) > 0.6

    here.button("All dates")
    expect(page.locator(".time-bar[aria-pressed=true]")).to_have_count(0)
    here.button("Compare dates")
    divide = page.get_by_role("slider", name="Divide between the dates")
    expect(divide).to_be_visible()
    page.wait_for_load_state("networkidle")
    x, y, width, height = here.box("#map")
    area = (x + 60, y + 60, width - 120, (height if not here.touch else height / 2.6) - 120)
    half = area[2] / 2 - 10
    sides = {"left": (area[0], area[1], half, area[3]), "right": (area[0] + area[2] - half, area[1], half, area[3])}
    before = {side: here.pixels(box) for side, box in sides.items()}
    here.save("06-two-dates")
    for side, other in (("left", "right"), ("right", "left")):
        choice = page.get_by_label(f"Date on the {side}")
        choice.select_option(last if side == "left" else first)
        page.wait_for_load_state("networkidle")
        assert changed(before[side], here.pixels(sides[side])) > 0.1, f"the {side} shows the other date"
        if side == "left":
            assert changed(before[other], here.pixels(sides[other])) < 0.05
    here.button("Compare dates")
    expect(divide).to_be_hidden()


def core(pixels: Pixels) -> Pixels:
    """The same middle of a picture."""
    height, width = pixels.shape[:2]
    return pixels[int(0.15 * height) : int(0.85 * height), int(0.15 * width) : int(0.85 * width)]


def test_the_same_place_on_other_dates(journey: Begin, land: Land) -> None:
    here = journey(land.url)
    page = here.open(f"#collection=land&from={land.dates[0]}&to={land.dates[0]}")
    item = here.shown()[3]
    here.press(page.locator(".card").nth(3).get_by_role("button", name="Details"))
    dialog = page.get_by_role("dialog")
    strip = dialog.locator(".other-dates li button")
    expect(strip).to_have_count(len(land.dates))
    assert strip.locator("time").all_inner_texts() == land.dates
    current, whole = here.box(".other-dates [aria-current]"), here.box(".other-dates ul")
    assert whole[0] <= current[0] and current[0] + current[2] <= whole[0] + whole[2] + 1, "its own date is in view"
    picture, labels = here.box(".details-image"), here.box(".label-editor")
    assert picture[0] + picture[2] <= here.width, "the picture fits in the window"
    overlap = picture[0] + picture[2] > labels[0] and picture[1] + picture[3] > labels[1]
    assert not overlap or here.touch, "the picture covers no other column"
    assert likeness(here.pixels(picture), land.picture(item)) > 0.8
    here.save("06-other-dates")
    strip.last.scroll_into_view_if_needed()
    here.press(strip.last)
    expect(dialog.locator("[aria-current] time")).to_have_text(land.dates[-1])
    here.button("Compare dates on the map")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_label("Date on the left").locator("option:checked")).to_have_text(land.dates[-2])
    page.wait_for_load_state("networkidle")
    here.save("06-place-on-two-dates")
