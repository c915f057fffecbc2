"""Page: search, refinement, filters, map, keyboard, small screens, error messages."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import CONTRAST, JOB_MS, TILES, Archive, Visit, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

if os.environ.get("CI") != "true":
    pytest.importorskip("playwright", reason="needs the Python package playwright (in the extra `dev`)", exc_type=ImportError)
from playwright.sync_api import expect

Visitor = Callable[..., Visit]
PAGE = 30
GIVE = """([kind, name, base64]) => {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const data = new DataTransfer();
    data.items.add(new File([bytes], name, {type: "image/png"}));
    if (kind === "paste") document.body.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true}));
    else for (const type of ["dragenter", "dragover", "drop"])
        document.body.dispatchEvent(new DragEvent(type, {dataTransfer: data, bubbles: true, cancelable: true}));
}"""


def names(page: Page) -> list[str]:
    """File names on the cards, in their order."""
    return page.locator(".card .name").all_inner_texts()


def ranked(page: Page) -> Page:
    """Wait for a ranked answer."""
    expect(page.locator("#grid")).to_have_attribute("aria-busy", "false")
    expect(page.locator(".card .rank").first).to_have_text("1")
    expect(page.locator("#status")).to_contain_text("searched in")
    return page


def test_the_sample_scene_gives_ranked_results_with_one_click(visit_empty: Visit) -> None:
    page = visit_empty.open()
    expect(page.get_by_role("heading", name="Find similar satellite tiles")).to_be_visible()
    page.get_by_role("button", name="Try it with a sample scene").click()
    page.wait_for_url(re.compile("collection=sample"), timeout=JOB_MS)
    ranked(page)
    expect(page.locator(".card")).to_have_count(PAGE)
    expect(page.locator(".query-image img")).to_be_visible()
    expect(page.locator(".card .score").first).to_contain_text(re.compile(r"\d %\s*match"))
    assert re.search(r"collection=sample&item=[0-9a-f-]{36}$", page.url)
    expect(page.locator("path.footprint")).to_have_count(PAGE)


@pytest.mark.parametrize("way", ["choose", "drop", "paste"])
def test_an_image_finds_itself_first(visitor: Visitor, archive: Archive, tmp_path: Path, way: str) -> None:
    page = visitor(archive.url).open("#collection=shapes")
    expect(page.locator("#status")).to_contain_text(f"{TILES} tiles")
    name = "wide-20.png"
    if way == "choose":
        (tmp_path / name).write_bytes(archive.files[name])
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Choose an image").click()
        chooser.value.set_files(tmp_path / name)
    else:
        page.evaluate(GIVE, [way, name, base64.b64encode(archive.files[name]).decode()])
    ranked(page)
    first = page.locator(".card").first
    expect(first.locator(".name")).to_have_text(name)
    expect(first.locator(".score")).to_have_text(re.compile(r"100 %\s*match"))
    expect(first.locator(".chip")).to_have_text("wide")
    expect(first.locator("time")).to_have_text("2019-09-15")
    expect(first.locator("time")).to_have_attribute("title", "2019-09-15 10:00 UTC")
    expect(page.locator(".query-image figcaption")).to_have_text(name)
    expect(page.locator("#status")).to_contain_text(re.compile(rf"^{TILES} tiles searched in [\d.]+ ms"))


def test_a_result_starts_a_new_search_and_back_returns(visitor: Visitor, archive: Archive) -> None:
    page = visitor(archive.url).open("#collection=shapes")
    chosen = page.locator(".card").nth(3)
    name = chosen.locator(".name").inner_text()
    chosen.locator("a").click()
    ranked(page)
    expect(page.locator(".query-image figcaption")).to_have_text(name)
    assert name not in names(page)
    assert len(names(page)) == PAGE
    before = names(page)
    page.reload()
    ranked(page)
    assert names(page) == before
    page.go_back()
    expect(page.locator("#status")).to_contain_text(f"{TILES} tiles")
    expect(page.locator(".query-image")).to_have_count(0)


def test_marks_refine_the_search(visitor: Visitor, archive: Archive) -> None:
    page = visitor(archive.url).open("#collection=shapes")
    page.locator(".card a").first.click()
    ranked(page)
    more, less = names(page)[1], names(page)[2]
    page.locator(".card").nth(1).get_by_role("button", name="More like this").click()
    page.locator(".card").nth(2).get_by_role("button", name="Less like this").click()
    expect(page.locator("#status")).to_contain_text("1 more, 1 less")
    page.get_by_role("button", name="Refine search").click()
    expect(page.locator(".example.more img")).to_have_attribute("alt", more)
    expect(page.locator(".example.less img")).to_have_attribute("alt", less)
    ranked(page)
    assert not {more, less} & set(names(page))
    page.get_by_role("button", name=f"Remove {less}").click()
    expect(page.locator(".example.less")).to_have_count(0)


def test_filters_narrow_the_answer(visitor: Visitor, archive: Archive) -> None:
    page = visitor(archive.url).open("#collection=shapes")
    page.get_by_role("checkbox", name=re.compile("^wide")).check()
    expect(page.locator("#status")).to_contain_text(f"{TILES // 3} of {TILES} tiles match the filters")
    assert {name.split("-")[0] for name in names(page)} == {"wide"}
    page.get_by_label("From", exact=True).fill("2019-01-01")
    page.get_by_label("From", exact=True).press("Tab")
    page.get_by_label("To", exact=True).fill("2019-12-31")
    page.get_by_label("To", exact=True).press("Tab")
    expect(page.locator("#status")).to_contain_text(f"4 of {TILES}")
    assert sorted(names(page)) == ["wide-14.png", "wide-17.png", "wide-20.png", "wide-23.png"]
    for side, degrees in {"West": "10.33", "South": "49", "East": "10.42", "North": "51"}.items():
        page.get_by_label(side, exact=True).fill(degrees)
    expect(page.locator("#status")).to_contain_text(f"2 of {TILES}")
    assert sorted(names(page)) == ["wide-17.png", "wide-20.png"]
    page.locator(".card a").first.click()
    ranked(page)
    expect(page.locator(".card")).to_have_count(1)
    page.get_by_role("button", name="Clear the filters").click()
    expect(page.locator(".card")).to_have_count(PAGE)


def test_a_box_is_drawn_on_the_map(visitor: Visitor, archive: Archive) -> None:
    page = visitor(archive.url).open("#collection=shapes")
    expect(page.locator("path.footprint")).to_have_count(PAGE)
    shapes = [shape for shape in (path.bounding_box() for path in page.locator("path.footprint").all()) if shape]
    middle = (min(s["x"] for s in shapes) + max(s["x"] for s in shapes)) / 2
    height = shapes[0]["y"]
    page.get_by_role("button", name="Draw box").click()
    page.mouse.move(middle, height - 60)
    page.mouse.down()
    page.mouse.move(middle + 60, height, steps=4)
    page.mouse.move(middle + 400, height + 60, steps=4)
    page.mouse.up()
    page.get_by_role("button", name="Filter: only tiles here").click()
    expect(page.locator("path.box")).to_be_visible()
    expect(page.locator("#status")).to_contain_text("match the filters")
    assert 0 < len(names(page)) < TILES
    west = float(page.get_by_label("West", exact=True).input_value())
    assert 10 < west < 11


def test_paging_shows_every_tile_once(visitor: Visitor, archive: Archive) -> None:
    page = visitor(archive.url).open("#collection=shapes")
    page.locator(".card a").first.click()
    ranked(page)
    expect(page.locator(".card")).to_have_count(PAGE)
    page.locator("#more").scroll_into_view_if_needed()
    expect(page.locator(".card")).to_have_count(TILES - 1)
    assert len(set(names(page))) == TILES - 1
    assert page.locator(".card .rank").all_inner_texts() == [str(n) for n in range(1, TILES)]
    expect(page.locator("#more")).to_have_text(f"All {TILES - 1} shown")
    expect(page.locator("path.footprint")).to_have_count(TILES - 1)


def test_hover_is_shared_by_grid_and_map(visitor: Visitor, archive: Archive) -> None:
    page = visitor(archive.url).open("#collection=shapes")
    page.locator(".card a").first.click()
    ranked(page)
    expect(page.locator("path.footprint")).to_have_count(PAGE)
    page.locator(".card").nth(4).hover()
    expect(page.locator("path.footprint.hot")).to_have_count(1)
    hot = page.locator("path.footprint.hot").bounding_box()
    assert hot is not None
    page.locator("#status").hover()
    expect(page.locator("path.footprint.hot")).to_have_count(0)
    page.mouse.move(hot["x"] + hot["width"] / 2, hot["y"] + hot["height"] / 2)
    expect(page.locator(".card.hot .rank")).to_have_text("5")
    name = page.locator(".card.hot .name").inner_text()
    page.mouse.down()
    page.mouse.up()
    expect(page.locator(".query-image figcaption")).to_have_text(name)


def test_details_show_the_record_and_edit_labels(visitor: Visitor, archive: Archive) -> None:
    page = visitor(archive.url).open("#collection=shapes&labels=narrow")
    card = page.locator(".card").first
    name = card.locator(".name").inner_text()
    card.get_by_role("button", name="Details").click()
    dialog = page.get_by_role("dialog", name=name)
    expect(dialog.locator(".record")).to_contain_text("50.00300° N")
    dialog.get_by_label("Add a label").fill("checked by hand")
    dialog.get_by_role("button", name="Add").click()
    expect(dialog.locator(".chip")).to_have_text(["narrow", "checked by hand"])
    expect(page.locator(".option-name", has_text="checked by hand")).to_have_count(1)
    dialog.get_by_role("button", name="Remove label checked by hand").click()
    expect(dialog.locator(".chip")).to_have_text(["narrow"])
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_the_gis_url_returns_the_results_of_the_page(visitor: Visitor, archive: Archive) -> None:
    page = visitor(archive.url, permissions=["clipboard-read", "clipboard-write"]).open("#collection=shapes&labels=wide")
    page.locator(".card a").first.click()
    ranked(page)
    page.get_by_role("button", name="Copy GIS URL").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    address = page.evaluate("navigator.clipboard.readText()")
    answer = json.loads(page.request.get(address).text())
    assert [feature["properties"]["file_name"] for feature in answer["features"]] == names(page)


def test_everything_by_keyboard(visitor: Visitor, archive: Archive) -> None:
    page = visitor(archive.url).open("#collection=shapes")
    expect(page.locator(".card")).to_have_count(PAGE)
    keys = page.keyboard
    keys.press("Tab")
    expect(page.get_by_role("link", name="Skip to results")).to_be_focused()
    keys.press("Enter")
    expect(page.locator(".card a").first).to_be_focused()
    keys.press("ArrowRight")
    keys.press("ArrowDown")
    expect(page.locator(".card.active a")).to_be_focused()
    name = page.locator(".card.active .name").inner_text()
    assert names(page).index(name) > 2
    keys.press("Enter")
    ranked(page)
    expect(page.locator(".query-image figcaption")).to_have_text(name)
    expect(page.locator(".card a").first).to_be_focused()
    keys.press("+")
    keys.press("ArrowRight")
    keys.press("-")
    keys.press("r")
    expect(page.locator(".example")).to_have_count(2)
    ranked(page)
    keys.press("i")
    expect(page.get_by_role("dialog")).to_be_visible()
    keys.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    keys.press("/")
    expect(page.locator("#label-list input").first).to_be_focused()
    keys.press("Space")
    expect(page.locator("#filter-summary")).to_have_text("1 active")
    keys.press("Escape")
    expect(page.locator(".query-image")).to_have_count(0)
    keys.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()


def test_a_phone_needs_no_sideways_scrolling(visitor: Visitor, archive: Archive) -> None:
    visit = visitor(archive.url, viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    page = visit.open("#collection=shapes")
    page.locator(".card a").first.tap()
    ranked(page)
    expect(page.locator("path.footprint")).to_have_count(PAGE)
    covered = "() => document.querySelector('#sheet').getBoundingClientRect().height / innerHeight"
    until(page, lambda: 0.3 < page.evaluate(covered) < 0.7)
    page.get_by_role("button", name="Map", exact=True).tap()
    until(page, lambda: page.evaluate(covered) < 0.2)
    page.locator("#splitter").tap()
    until(page, lambda: 0.3 < page.evaluate(covered) < 0.7)
    page.locator("#splitter").tap()
    until(page, lambda: page.evaluate(covered) > 0.7)
    page.locator("#filters summary").tap()
    page.locator(".card").first.get_by_role("button", name="Details").tap()
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(page.get_by_role("dialog").get_by_role("link", name="Find similar tiles")).to_be_in_viewport()
    widths = page.evaluate("[document.documentElement.scrollWidth, document.querySelector('.dialog-body').scrollWidth]")
    assert max(widths) <= 390


def test_a_long_name_pushes_nothing_out_of_its_card(visitor: Visitor, archive: Archive) -> None:
    page = visitor(archive.url).open("#collection=shapes")
    card = page.locator(".card").first
    button = card.get_by_role("button", name="Details")
    for _ in ("in the grid", "in a ranking"):
        card.locator(".name").evaluate("name => { name.textContent = 'denseresidential12.jpg'.repeat(4); }")
        outer, inner = card.bounding_box(), button.bounding_box()
        assert outer is not None
        assert inner is not None
        assert inner["x"] + inner["width"] <= outer["x"] + outer["width"]
        card.locator("a.tile").click()
        ranked(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast(visitor: Visitor, archive: Archive, scheme: str) -> None:
    page = visitor(archive.url, color_scheme=scheme).open("#collection=shapes")
    expect(page.locator(".card")).to_have_count(PAGE)
    for selector in (".name", ".sub", "#status", ".option-count", ".drop-box p", "#add-images", "#about"):
        assert page.locator(selector).first.evaluate(CONTRAST) >= 4.5, selector


def test_errors_are_shown_where_they_occur(visitor: Visitor, archive: Archive) -> None:
    visit = visitor(archive.url)
    visit.allowed += ["status of 400", "status of 404", "status of 409", "status of 415"]
    page = visit.open("#collection=shapes")
    expect(page.locator(".card")).to_have_count(PAGE)
    page.evaluate(GIVE, ["drop", "letter.png", base64.b64encode(b"Dear sir or madam").decode()])
    expect(page.locator("#notice")).to_contain_text("not an image")
    page.get_by_role("button", name="Show all tiles").click()
    expect(page.locator(".card")).to_have_count(PAGE)
    page.get_by_role("button", name="New…").click()
    page.get_by_label("Title").fill("Shapes")
    page.get_by_role("button", name="Create the collection").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("shapes")
    page.keyboard.press("Escape")
    visit.open("#collection=gone")
    expect(page.get_by_role("heading", name="There is no collection “gone”")).to_be_visible()
