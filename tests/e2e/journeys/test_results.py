"""Journeys: long lists, comparing two tiles, and taking results elsewhere."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import until
from tests.e2e.journeys.conftest import Journey, Land, decoded, likeness
from tests.e2e.test_page import ranked

if os.environ.get("CI") != "true":
    pytest.importorskip("playwright", reason="needs the Python package playwright (in the extra `dev`)", exc_type=ImportError)
from playwright.sync_api import expect

Begin = Callable[[str], Journey]
SCROLL = """(by) => {
    const list = document.getElementById("results"), sheet = document.getElementById("sheet");
    const scrolls = list.scrollHeight > list.clientHeight && getComputedStyle(list).overflowY === "auto";
    (scrolls ? list : sheet).scrollTop += by;
}"""
"""JavaScript function: scroll the list, on a phone its sheet."""
IN_VIEW = """() => [...document.querySelectorAll(".card")].filter((card) => {
    const box = card.querySelector(".tile").getBoundingClientRect();
    const top = (y) => document.elementFromPoint(box.x + box.width / 2, y)?.closest(".card");
    return top(box.top + 4) === card && top(box.bottom - 4) === card;
}).map((card) => Number(card.getAttribute("aria-posinset")))"""
"""JavaScript function: the positions of the cards whose pictures are fully visible."""


def test_a_long_list_keeps_its_place(journey: Begin, land: Land) -> None:
    here = journey(land.url)
    page = here.open("#collection=land&sort=date")
    tiles = land.tiles()
    seen: list[str] = []
    for _ in range(8):
        days = page.locator(".card time").evaluate_all("(times) => times.map((time) => time.dateTime)")
        assert days == sorted(days), "oldest first, on all pages"
        seen += [item for item in here.shown() if item not in seen]
        page.evaluate(SCROLL, 700)
        page.wait_for_timeout(120)
    assert 40 < len(seen) <= len(tiles)
    page.wait_for_load_state("networkidle")
    at = page.evaluate(IN_VIEW)[0]
    assert at > 10
    card = page.locator(f".card[aria-posinset='{at}']")
    before, item = card.bounding_box(), card.get_attribute("data-id")
    here.press(card.locator("a.tile"))
    expect(page.locator(".query-image img")).to_be_visible()
    expect(page.locator(".card .rank").first).to_be_visible()  # still sorted by date
    assert page.evaluate("document.getElementById('results').scrollTop + document.getElementById('sheet').scrollTop") == 0
    page.go_back()
    expect(card).to_have_attribute("data-id", str(item))
    after = card.bounding_box()
    assert before is not None
    assert after is not None
    assert abs(before["y"] - after["y"]) < 3
    here.save("07-back-in-the-list")


def test_the_line_below_the_likely_matches(journey: Begin, land: Land) -> None:
    here = journey(land.url)
    page = here.open("#collection=land")
    with page.expect_response(lambda response: response.url.endswith("/search")) as answered:
        here.press(page.locator(".card a.tile").nth(2))
    ranked(page)
    end = answered.value.json()["matches_end_at"]
    if end <= 30:
        line = page.locator("#grid > .match-line")
        assert line.evaluate("(line) => [...line.parentNode.children].indexOf(line)") == end
    chances = [f["properties"]["match_probability"] for f in answered.value.json()["features"]]
    least = round(100 * sorted(chances)[-5])
    if here.touch:
        here.press(page.locator("#filters > summary"))
    field = page.get_by_label("At least")
    field.fill(str(least))
    field.press("Tab")
    ranked(page)
    until(page, lambda: f"least={least}" in page.url and len(here.shown()) < 30)
    kept = [f["id"] for f in answered.value.json()["features"] if f["properties"]["match_probability"] >= least / 100]
    until(page, lambda: here.shown() == kept)
    assert len(here.footprints()) == len(kept)
    here.save("07-threshold")


def test_two_tiles_side_by_side(journey: Begin, land: Land) -> None:
    here = journey(land.url)
    page = here.open("#collection=land")
    here.press(page.locator(".card a.tile").first)
    ranked(page)
    ids = here.shown()[:2]
    for number in (0, 1):
        card = page.locator(".card").nth(number)
        card.scroll_into_view_if_needed()
        card.hover()
        here.press(card.get_by_role("button", name="Select"))
    here.save("08-selected")
    here.button("Compare", exact=True)
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".heat")).to_have_count(2)
    cells = (
        dialog.locator(".heat").first.locator("i").evaluate_all("(cells) => cells.map((cell) => Number(cell.style.opacity))")
    )
    assert len(set(cells)) > 4, "it shows where they match"
    page.wait_for_load_state("networkidle")
    here.save("08-where-they-match")
    dialog.get_by_label("Show where they match").uncheck()
    expect(dialog.locator(".heat").first).to_be_hidden()
    pictures = [dialog.locator(".compared-image").nth(side).bounding_box() for side in (0, 1)]
    left, right = ((box["x"], box["y"], box["width"], box["height"]) for box in pictures if box)
    assert left[1] == right[1] and left[2:] == right[2:] and left[0] + left[2] < right[0]
    assert right[0] + right[2] <= here.width
    for box, item in zip((left, right), ids, strict=True):
        assert likeness(here.pixels(box), land.picture(item)) > 0.8
    here.save("08-side-by-side")


def rows(data: str) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    return list(csv.DictReader(io.StringIO(data)))


def test_results_leave_the_page(journey: Begin, land: Land, tmp_path: Path) -> None:
    here = journey(land.url)
    page = here.open("#collection=land")
    picture = tmp_path / "query.jpg"
    item = land.tiles()[5]["id"]
    picture.write_bytes(land.client.get(f"/collections/land/items/{item}/thumbnail").content)
    page.locator("#image-input").set_input_files(picture)
    ranked(page)
    order = here.shown()
    assert order[0] == item
    page.reload()
    ranked(page)
    assert here.shown() == order, "the uploaded query survives a reload"

    for number in (0, 2, 3):
        card = page.locator(".card").nth(number)
        card.scroll_into_view_if_needed()
        card.hover()
        here.press(card.get_by_role("button", name="Select"))
    here.press(page.get_by_text("Export", exact=True))
    here.save("09-export-selected")
    address = page.get_by_role("link", name="CSV").evaluate("(link) => link.href")
    exported = rows(land.client.get(address).text)
    assert {row["id"] for row in exported} == {order[0], order[2], order[3]}
    page.keyboard.press("Escape")

    here.button("Layers")
    here.press(page.locator("#layers-panel summary").first)
    here.button("Copy address: XYZ, imagery")
    expect(page.get_by_role("button", name="Copy address: XYZ, imagery")).to_have_text("Copied")
    here.save("09-addresses")
    copied = page.evaluate("navigator.clipboard.readText()")
    tile = page.evaluate("document.querySelector('.leaflet-imagery-pane img').src")
    z, x, y = re.findall(r"/(\d+)/(\d+)/(\d+)\.png", tile)[0]
    layer = land.client.get(copied.replace("{z}", z).replace("{x}", x).replace("{y}", y))
    assert decoded(layer.content).std() > 5
    here.press(page.locator("#layers-panel summary").first)
    page.get_by_label("Format of the file").select_option("csv")
    page.get_by_label("Tiles in the file").select_option("above")
    page.get_by_label("Least match probability in the file, %").fill("60")
    with page.expect_download() as download:
        here.button("Download", exact=True)
    above = rows(download.value.path().read_text())
    assert all(float(row["match_probability"]) >= 0.6 for row in above)
    assert [row["id"] for row in above][: len(order)] == order[: len(above)]
