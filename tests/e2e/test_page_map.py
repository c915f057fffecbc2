"""Page: the map as a way to search, its layers, and saved searches."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import JOB_MS, TILES, Archive, Visit, until
from tests.e2e.test_page import ranked
from tests.support.pictures import striped

if TYPE_CHECKING:
    from playwright.sync_api import Page

if os.environ.get("CI") != "true":
    pytest.importorskip("playwright", reason="needs the Python package playwright (in the extra `dev`)", exc_type=ImportError)
from playwright.sync_api import expect

Visitor = Callable[..., Visit]
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
COLOURED_SHARE = """() => Math.max(...[...document.querySelectorAll(".leaflet-footprints-pane canvas")].map((canvas) => {
    const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return data.filter((value, n) => n % 4 === 3 && value > 0).length / (data.length / 4);
}))"""


def sample(visit: Visit) -> Page:
    """The sample scene, all its tiles, without a query."""
    page = visit.open()
    page.get_by_role("button", name="Try it with a sample scene").click()
    page.wait_for_url(re.compile("collection=sample"), timeout=JOB_MS)
    ranked(page)
    return page


def test_the_map_fills_the_page_beside_results_of_a_chosen_width(visitor: Visitor, archive: Archive) -> None:
    page = visitor(archive.url).open("#collection=shapes")
    expect(page.locator("path.footprint").first).to_be_visible()
    width = "(id) => document.getElementById(id).getBoundingClientRect().width"
    first = page.evaluate(width, "results")
    assert page.evaluate(width, "map") > 1.5 * first
    box = page.locator("#splitter").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 3, 500)
    page.mouse.down()
    page.mouse.move(box["x"] + 203, 520, steps=3)
    page.mouse.up()
    until(page, lambda: page.evaluate(width, "results") == pytest.approx(first + 200, abs=2))
    page.keyboard.press("ArrowLeft")
    until(page, lambda: page.evaluate(width, "results") == pytest.approx(first + 168, abs=2))
    expect(page.get_by_role("separator", name="Width of the results")).to_have_attribute(
        "aria-valuenow", str(round(first + 168))
    )
    page.reload()
    until(page, lambda: page.evaluate(width, "results") == pytest.approx(first + 168, abs=2))
    page.locator("#splitter").dblclick()
    until(page, lambda: page.evaluate(width, "results") == first)


def test_a_hovered_card_raises_its_place_and_puts_it_back(visitor: Visitor, archive: Archive) -> None:
    page = visitor(archive.url).open("#collection=shapes")
    page.locator(".card a").first.click()
    ranked(page)
    order = "() => [...document.querySelectorAll('path.footprint')].map((path) => path.getAttribute('d'))"
    before = page.evaluate(order)
    page.locator(".card").nth(4).hover()
    expect(page.locator("path.footprint").last).to_have_class(re.compile("hot"))
    page.locator("#status").hover()
    expect(page.locator("path.footprint.hot")).to_have_count(0)
    assert page.evaluate(order) == before


def test_places_of_results_are_reached_with_the_keyboard(visitor: Visitor, archive: Archive) -> None:
    visit = visitor(archive.url)
    visit.allowed += ["status of 404", "status of 400"]  # the middle of the map may be between the tiles
    page = visit.open("#collection=shapes")
    page.locator(".card a").first.click()
    ranked(page)
    expect(page.locator("path.footprint[tabindex='0']")).to_have_count(1)
    page.locator("#map").focus()
    page.keyboard.press("Tab")
    expect(page.locator("path.footprint:focus")).to_have_attribute("aria-label", re.compile(r"^1\. .*Find similar tiles"))
    expect(page.locator(".card.hot .rank")).to_have_text("1")
    place = "() => document.activeElement.getBoundingClientRect().x"
    before = page.evaluate(place)
    key = (
        "ArrowRight"
        if before < page.evaluate("document.querySelector('#map').getBoundingClientRect().right") - 200
        else "ArrowLeft"
    )
    page.keyboard.press(key)
    assert (page.evaluate(place) > before) == (key == "ArrowRight")
    name = page.locator(".card.hot .name").inner_text()
    page.keyboard.press("Enter")
    expect(page.locator(".query-image figcaption")).to_have_text(name)
    page.locator("#map").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("point="))


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


def test_footprints_of_all_tiles_and_the_addresses_of_layers(visitor: Visitor, archive: Archive) -> None:
    page = visitor(archive.url, permissions=["clipboard-read", "clipboard-write"]).open("#collection=shapes&labels=wide")
    expect(page.locator("path.footprint")).to_have_count(TILES // 3)
    page.get_by_role("button", name="Layers").click()
    page.get_by_role("checkbox", name="Footprints of all tiles").check()
    drawn = "() => [...document.querySelectorAll('.leaflet-footprints-pane canvas')].map((tile) => Number(tile.dataset.count))"
    until(page, lambda: sum(page.evaluate(drawn)) >= TILES)
    assert page.evaluate(COLOURED_SHARE) > 0.001

    expect(page.locator(".time-bar")).to_have_count(TILES)  # more than 24 dates: months
    expect(page.locator(".time-bar").nth(12)).to_have_attribute("aria-label", "2019-01: 1 tile")

    page.locator("#layers-panel summary").click()
    for name, kind in {
        "XYZ, imagery": "image/png",
        "WMTS, imagery": "application/xml",
        "OGC API Features": "application/geo",
    }.items():
        page.get_by_role("button", name=f"Copy address: {name}").click()
        expect(page.get_by_role("button", name=f"Copy address: {name}")).to_have_text("Copied")
        address = page.evaluate("navigator.clipboard.readText()")
        address = address.replace("{z}", "8").replace("{x}", "135").replace("{y}", "86")
        assert page.request.get(address).headers["content-type"].startswith(kind)
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.locator(".signed .addresses li")).to_have_count(5)

    page.get_by_label("Format of the file").select_option("csv")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download", exact=True).click()
    assert len(download.value.path().read_text().splitlines()) == TILES // 3 + 1


def test_imagery_and_a_saved_search_are_layers_of_the_map(visit_empty: Visit) -> None:
    page = sample(visit_empty)
    until(page, lambda: page.evaluate(SHARE_DRAWN, "imagery") > 0.05)
    page.get_by_role("button", name="Layers").click()
    page.get_by_role("checkbox", name="Imagery").uncheck()
    expect(page.locator(".leaflet-imagery-pane img")).to_have_count(0)

    page.get_by_label("Name of this search").fill("Fields like this")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("checkbox", name="On the map")).to_be_checked()
    expect(page.locator("#map-legend")).to_contain_text("Fields like this")
    until(page, lambda: page.evaluate(SHARE_DRAWN, "similarity") > 0.05)
    whole = page.evaluate(SHARE_DRAWN, "similarity")
    page.get_by_label("Least match probability on the map").fill("95")
    until(page, lambda: 0 < page.evaluate(SHARE_DRAWN, "similarity") < 0.7 * whole)
    expect(page.locator("#layers-panel summary")).to_have_text(
        [re.compile("Addresses Collection .*ample"), "Addresses Search Fields like this"]
    )
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


def test_a_saved_search_with_an_uploaded_image_opens_in_another_browser(
    visitor: Visitor, archive: Archive, tmp_path: Path
) -> None:
    page = visitor(archive.url).open("#collection=shapes")
    (tmp_path / "mine.png").write_bytes(striped(20))
    page.locator("#image-input").set_input_files(tmp_path / "mine.png")
    ranked(page)
    first = page.locator(".card .name").first.inner_text()
    page.get_by_label("Name of this search").fill("Like mine")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".saved-search")).to_have_count(1)
    assert page.locator("#saved-title:user-invalid").count() == 0

    other = visitor(archive.url).open("#collection=shapes")
    other.get_by_role("button", name="Like mine").click()
    ranked(other)
    expect(other.locator(".query-image img")).to_be_visible()
    assert other.locator(".card .name").first.inner_text() == first
    other.locator(".saved-search summary").click()
    other.get_by_role("button", name="Delete", exact=True).click()
    expect(other.locator(".saved-search")).to_have_count(0)
