"""Page: no serious accessibility faults in any main state, visible focus, page weight, compression and caching of its files."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.e2e.conftest import Archive, Visit

if TYPE_CHECKING:
    from playwright.sync_api import Page

if os.environ.get("CI") != "true":
    pytest.importorskip("playwright", reason="needs the Python package playwright (in the extra `dev`)", exc_type=ImportError)
from playwright.sync_api import expect

Visitor = Callable[..., Visit]

AXE = Path(__file__).with_name("vendor") / "axe-core" / "axe.min.js"
RUN_AXE = """async () => {
const covered = (element) => {
    const box = element.getBoundingClientRect();
    return [...document.querySelectorAll(".menu[open] .pop")].map((pop) => pop.getBoundingClientRect()).some((pop) =>
        pop.left < box.right && box.left < pop.right && pop.top < box.bottom && box.top < pop.bottom);
};
return (await axe.run({ exclude: [[".card:nth-child(n+10)"]] }, {
    resultTypes: ["violations"],
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
})).violations.filter((fault) => ["serious", "critical"].includes(fault.impact))
    .map((fault) => ({...fault, nodes: fault.nodes.filter((node) => fault.id !== "target-size"
        || !(node.html.includes("time-bar") || covered(document.querySelector(node.target[0]))))}))
    .filter((fault) => fault.nodes.length)
    .map((fault) => `${fault.id}: ${fault.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`);
}"""
"""JavaScript function. All cards have the same elements, so the first nine stand for them. Two kinds of small targets are
exempt (WCAG 2.5.8): the narrow bars of the timeline, since the buttons beside them do the same, and controls that an open menu
covers in part."""
MAX_PAGE_BYTES = 700_000
"""Limit for everything that the page loads before imagery, as sent."""
TAB_STOPS = """() => [...document.querySelectorAll("button, a[href], input, select, summary")].filter((element) => {
    const box = element.getBoundingClientRect();
    const reached = element.tabIndex >= 0 || element.closest(".card, .time-bars, [role=toolbar], [role=tablist]");
    return box.width > 1 && !element.disabled && !reached && element.type !== "file";
}).map((element) => element.outerHTML.slice(0, 120))"""
"""JavaScript function: controls on the screen that the Tab key does not reach. Arrow keys move within cards and toolbars."""


def faults(page: Page) -> list[str]:
    """Serious and critical faults that axe-core finds in the present state of the page."""
    if not page.evaluate("typeof axe !== 'undefined'"):
        page.evaluate(AXE.read_text())
    found: list[str] = page.evaluate(RUN_AXE)
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_results_and_labelling_have_no_serious_faults(visitor: Visitor, archive: Archive, scheme: str) -> None:
    page = visitor(archive.url, color_scheme=scheme).open("#collection=shapes")
    expect(page.locator(".card").first).to_be_visible()
    assert faults(page) == []
    page.locator(".card a.tile").first.click()
    expect(page.locator(".card .rank").first).to_have_text("1")
    for number in (1, 2):
        page.locator(".card a.tile").nth(number).click(modifiers=["Control"])
    page.locator("#versions summary").click()
    expect(page.locator(".version-list button")).to_have_count(1)
    assert faults(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator(".compare-table")).to_be_visible()
    assert faults(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Label", exact=True).click()
    page.get_by_label("Label to add").fill("n")
    expect(page.locator("#label-bar [role=option]").first).to_be_visible()
    assert faults(page) == []
    page.keyboard.press("Enter")
    page.locator("#label-progress summary").click()
    assert faults(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_dialogs_have_no_serious_faults(visitor: Visitor, archive: Archive, scheme: str) -> None:
    visit = visitor(archive.url, color_scheme=scheme)
    visit.allowed += ["status of 404"]  # the collection has no schedule
    page = visit.open("#collection=shapes")
    expect(page.locator(".card").first).to_be_visible()
    dialog = page.get_by_role("dialog")
    for name in ("Add images…", "Models", "Jobs", "New…", "Keyboard shortcuts"):
        page.get_by_role("button", name=name, exact=name != "Jobs").first.click()
        expect(dialog.locator(".dialog-body")).not_to_be_empty()
        assert faults(page) == [], name
        page.keyboard.press("Escape")
    page.locator(".card").first.get_by_role("button", name="Details").click()
    expect(dialog.locator(".classes .proposal").first).to_be_visible()
    assert faults(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Details").first.click()
    for tab in ("Train", "Index", "Labels", "Schedule"):
        dialog.get_by_role("tab", name=tab).click()
        expect(dialog.get_by_role("tabpanel", name=tab)).not_to_contain_text("Loading…")
        assert faults(page) == [], tab


def test_every_control_is_reached_by_tab_and_its_focus_differs_from_hover(visitor: Visitor, archive: Archive) -> None:
    page = visitor(archive.url).open("#collection=shapes")
    expect(page.locator(".card").first).to_be_visible()
    page.keyboard.press("l")
    assert page.evaluate(TAB_STOPS) == []
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    tile, other = page.locator(".card").nth(0), page.locator(".card").nth(1)
    outline = "(card) => { const style = getComputedStyle(card); return style.outlineStyle + style.outlineWidth; }"
    other.hover()
    hovered = other.evaluate(outline)
    page.keyboard.press("g")
    assert tile.evaluate(outline) == "solid3px" != hovered
    button = page.locator("#models")
    button.hover()
    assert button.evaluate(outline) != "solid2px"
    page.locator("#train").focus()
    page.keyboard.press("Tab")
    expect(button).to_be_focused()
    assert button.evaluate(outline) == "solid2px"


def test_the_page_is_light_compressed_and_cached(visitor: Visitor, archive: Archive) -> None:
    page = visitor(archive.url).open("#collection=shapes")
    expect(page.locator(".card").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    sizes: dict[str, int] = page.evaluate(
        """() => Object.fromEntries([...performance.getEntriesByType("resource"), ...performance.getEntriesByType("navigation")]
            .filter((entry) => !/thumbnail|\\/tiles\\//.test(entry.name)).map((entry) => [entry.name, entry.transferSize]))"""
    )
    assert sum(sizes.values()) < MAX_PAGE_BYTES, sorted(sizes.items(), key=lambda item: -item[1])[:5]
    main = next(name for name in sizes if name.endswith("js/main.js"))
    answer = httpx.get(main, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert "immutable" in answer.headers["cache-control"]
    again = re.sub(r"/v-\w+/", "/", main)
    plain = httpx.get(again)
    assert plain.text == answer.text
    assert plain.headers["cache-control"] == "no-cache"
    assert httpx.get(again, headers={"If-None-Match": plain.headers["etag"]}).status_code == 304
    first = httpx.get(archive.url, headers={"Accept": "text/html"})
    assert httpx.get(archive.url, headers={"Accept": "text/html", "If-None-Match": first.headers["etag"]}).status_code == 304
    page.reload()
    expect(page.locator(".card").first).to_be_visible()
    cached = page.evaluate(
        """() => performance.getEntriesByType("resource").filter((entry) => entry.name.endsWith(".js"))
            .map((entry) => entry.transferSize)"""
    )
    assert len(cached) > 50
    assert sum(cached) == 0


def test_the_page_links_to_the_documentation(visitor: Visitor, archive: Archive) -> None:
    page = visitor(archive.url).open("#collection=shapes")
    page.get_by_role("button", name="Keyboard shortcuts").click()
    link = page.get_by_role("dialog").get_by_role("link", name="API documentation")
    assert httpx.get(f"{archive.url}/{link.get_attribute('href')}").status_code == 200
