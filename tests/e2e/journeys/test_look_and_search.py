"""Journeys: the first look, a search from the map, drawn areas, and refining with right and wrong results."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.conftest import until
from tests.e2e.journeys.conftest import Journey, Land, assert_places, changed, likeness
from tests.e2e.test_page import ranked

if os.environ.get("CI") != "true":
    pytest.importorskip("playwright", reason="needs the Python package playwright (in the extra `dev`)", exc_type=ImportError)
from playwright.sync_api import expect

Begin = Callable[[str], Journey]
FREE_PLACE = """() => {
    const extent = [...document.querySelectorAll("path.footprint")].map((path) => path.getBoundingClientRect());
    const edge = (key, most) => Math[most ? "max" : "min"](...extent.map((box) => box[key]));
    const free = (x, y) => document.elementFromPoint(x, y)?.matches("#map, #map .leaflet-pane, #map svg");
    for (let y = edge("top") + 12; y < edge("bottom", true) - 12; y += 7)
        for (let x = edge("left") + 12; x < edge("right", true) - 12; x += 7)
            if ([[0, 0], [11, 0], [-11, 0], [0, 11], [0, -11]].every(([a, b]) => free(x + a, y + b))) return [x, y];
    return null;
}"""
"""JavaScript function: a place among the results with no outline and no control within the width of a finger."""
STACK = """(places) => places.map(([x, y]) =>
    document.elementsFromPoint(x, y).filter((element) => element.matches("path.footprint")).map((path) => path.dataset.id))"""
"""JavaScript function: for each place, the outlined tiles there, the uppermost first."""
PICTURES = "() => [...document.querySelectorAll('img.tile-image')].map((image) => image.dataset.id)"
"""JavaScript function: the tiles whose pictures are on the map, the lowest first."""
VIEWS = """() => {
    const box = (id) => document.getElementById(id).getBoundingClientRect();
    return {map: box("map").width, results: box("results").width, page: innerWidth,
        free: (document.getElementById("sheet").getBoundingClientRect().y || innerHeight) - box("map").y};
}"""


def test_first_look(journey: Begin, land: Land) -> None:
    here = journey(land.url)
    page = here.open(f"#collection=land&from={land.dates[0]}&to={land.dates[0]}")
    views = page.evaluate(VIEWS)
    if here.touch:
        assert views["map"] == views["page"]
        assert views["free"] > 0.25 * 844, "the sheet leaves the map free"
    else:
        assert views["map"] > 1.5 * views["results"]

    boxes = here.footprints()
    for item, box in list(boxes.items())[:3]:  # the imagery is where the tiles are
        assert likeness(here.pixels(box), land.picture(item)) > 0.7
    whole = here.box("#map-body")
    lit = here.pixels(whole)
    here.save("01-first-look")
    here.button("Layers")
    page.get_by_role("checkbox", name="Footprints of all tiles").check()
    drawn = "() => [...document.querySelectorAll('.leaflet-footprints-pane canvas')].map((tile) => Number(tile.dataset.count))"
    until(
        page, lambda: sum(page.evaluate(drawn)) >= len(land.tiles(datetime=f"{land.dates[0]}T00:00:00Z/..")) / len(land.dates)
    )
    page.get_by_role("checkbox", name="Imagery").uncheck()
    here.save("01-footprints")
    here.button("Close the layers")
    assert changed(lit, here.pixels(whole)) > 0.02, "without imagery, only the pictures of results remain"


def test_a_place_on_the_map_is_the_query(journey: Begin, land: Land) -> None:
    here = journey(land.url)
    page = here.open("#collection=land")
    place = page.evaluate(FREE_PLACE)
    assert place is not None
    if here.touch:
        page.touchscreen.tap(*place)
    else:
        page.mouse.click(*place)
    page.wait_for_url(re.compile(r"point=-?\d+\.\d+,-?\d+\.\d+$"))
    ranked(page)
    lon, lat = (float(number) for number in page.url.split("point=")[1].split(","))
    expect(page.locator("path.query-mark")).to_have_count(1)
    boxes = here.footprints()
    found = land.search(point=[lon, lat], limit=len(boxes))
    ids = [feature["id"] for feature in found]
    assert here.shown()[:30] == ids[:30]
    assert list(boxes) == ids[::-1], "the best rank is drawn last, above the others"
    assert_places(boxes, found)
    middles = [(x + width / 2, y + height / 2) for x, y, width, height in boxes.values()]
    for stack in page.evaluate(STACK, middles):
        assert [ids.index(item) for item in stack] == sorted(ids.index(item) for item in stack)
    until(page, lambda: bool(page.evaluate(PICTURES)))
    ranks = [ids.index(item) for item in page.evaluate(PICTURES)]
    assert ranks == sorted(ranks, reverse=True)
    best = boxes[ids[0]]
    assert here.on_map(best)
    least = 0.3 if here.touch else 0.6  # on a phone its number covers a good part of it
    assert likeness(here.pixels(best), land.picture(ids[0])) > least, "the place of rank 1 shows the picture of rank 1"
    if not here.touch:
        page.locator(".card").nth(2).hover()
        expect(page.locator("path.footprint.hot")).to_have_attribute("data-id", ids[2])
        top = boxes[ids[0]]
        page.mouse.move(top[0] + top[2] / 2, top[1] + top[3] / 2)
        expect(page.locator(".card.hot")).to_have_attribute("data-id", ids[0])
    here.save("02-place")


def drag(here: Journey, points: list[tuple[float, float]]) -> None:
    """Draw with the mouse, or with the pen of a tablet."""
    here.page.mouse.move(*points[0])
    here.page.mouse.down()
    for point in points[1:]:
        here.page.mouse.move(*point, steps=3)
    here.page.mouse.up()


def inner(box: tuple[float, float, float, float], share: float = 0.8) -> list[tuple[float, float]]:
    """Upper left and lower right corner of the middle of a box."""
    x, y, width, height = box
    edge = (1 - share) / 2
    return [(x + width * edge, y + height * edge), (x + width * (1 - edge), y + height * (1 - edge))]


def test_drawn_areas_are_examples_and_filters(journey: Begin, land: Land) -> None:
    here = journey(land.url)
    page = here.open(f"#collection=land&from={land.dates[-1]}&to={land.dates[-1]}")
    here.button("Draw box")
    page.wait_for_timeout(300)  # a phone's sheet is lowered first
    boxes = here.footprints()
    free = [box for box in boxes.values() if here.on_map(box)]
    right, wrong = free[len(free) // 2], free[len(free) // 4]
    drag(here, inner(right))
    expect(page.locator(".uses")).to_be_visible()
    here.save("03-use-of-an-area")
    here.button("Search with this area")
    ranked(page)
    first = here.shown()
    assert [f["id"] for f in land.search(region=polygon(page.url, "area"), datetime=interval(land.dates[-1]))][:5] == first[:5]

    here.button("Draw lasso")
    page.wait_for_timeout(300)
    (left, top), (end, bottom) = inner(wrong)
    drag(here, [(left, top), (end, top), (end, bottom), (left, bottom), (left, top)])
    here.press(page.locator(".uses").get_by_role("button", name="Less like this"))
    ranked(page)
    expect(page.locator("path.query-mark.less")).to_have_count(1)
    expect(page.locator("path.query-mark.more")).to_have_count(1)
    until(page, lambda: here.shown() != first)
    here.save("03-right-and-wrong")

    here.button("Clear query")
    expect(page.locator("path.query-mark")).to_have_count(0)
    here.button("Draw polygon")
    page.wait_for_timeout(300)
    free = sorted((box for box in here.footprints().values() if here.on_map(box)), key=lambda box: (box[0], box[1]))
    (left, top), (end, bottom) = inner(free[0], 0.6)
    for corner in ((left, top), (end, top), (end, bottom), (left, bottom)):
        page.mouse.click(*corner)
    page.keyboard.press("Enter")
    here.button("Filter: only tiles here")
    expect(page.locator("#status")).to_contain_text("match the filters")
    corners = polygon(page.url, "within")["coordinates"][0]
    area = f"POLYGON(({', '.join(f'{lon} {lat}' for lon, lat in corners)}))"
    inside = land.tiles(filter=f"S_INTERSECTS(geometry, {area})", datetime=interval(land.dates[-1]))
    until(page, lambda: set(here.shown()) == {feature["id"] for feature in inside})
    assert 1 <= len(inside) < len(boxes)
    expect(page.locator("path.box")).to_have_count(1)
    here.save("03-filter")


def polygon(url: str, name: str) -> dict[str, Any]:
    """The GeoJSON polygon of a parameter of the page's address."""
    numbers = [float(number) for number in re.findall(rf"[#&]{name}=([\d.,-]+)", url)[0].split(",")]
    ring = list(zip(numbers[::2], numbers[1::2], strict=True))
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}


def interval(day: str) -> str:
    """A day as an interval of the API."""
    return f"{day}T00:00:00Z/{day}T23:59:59Z"


def test_right_and_wrong_results_refine_the_search(journey: Begin, land: Land) -> None:
    here = journey(land.url)
    page = here.open("#collection=land")
    here.press(page.locator(".card a.tile").nth(1))
    ranked(page)
    item = page.url.split("item=")[1]
    before = here.shown()
    assert before == [f["id"] for f in land.search(positives=[item])][: len(before)]
    more, less = before[1], before[0]
    here.press(page.locator(f".card[data-id='{more}']").get_by_role("button", name="More like this"))
    here.press(page.locator(f".card[data-id='{less}']").get_by_role("button", name="Less like this"))
    here.save("04-marked")
    here.button("Refine search")
    expect(page.locator(".example.less img")).to_be_visible()
    ranked(page)
    assert page.url.endswith(f"item={item},{more}&not={less}")
    after = here.shown()
    assert after == [f["id"] for f in land.search(positives=[item, more], negatives=[less])][: len(after)]
    assert not {item, more, less} & set(after)
    assert list(here.footprints())[::-1][: len(after)] == after
    shares = page.locator(".card .prob i").evaluate_all("(bars) => bars.map((bar) => parseFloat(bar.style.inlineSize))")
    assert shares == sorted(shares, reverse=True), "the one score falls in the order of the results"
    page.go_back()
    until(page, lambda: here.shown() == before)
    page.go_forward()
    until(page, lambda: here.shown() == after)
    here.save("04-refined")
