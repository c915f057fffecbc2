"""Page: re-ranking options, match probabilities, the line below the likely matches, near-duplicates, search latency."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from app.domain.models import DEFAULT_MODEL
from tests.e2e.conftest import CONTRAST, Archive, Visit, default_title, follow_job

if TYPE_CHECKING:
    from playwright.sync_api import Page

if os.environ.get("CI") != "true":
    pytest.importorskip("playwright", reason="needs the Python package playwright (in the extra `dev`)", exc_type=ImportError)
from playwright.sync_api import expect

Visitor = Callable[..., Visit]
QUERY = "wide-20.png"
COPIED = "wide-23.png"


def search(page: Page, act: Callable[[], object]) -> dict[str, Any]:
    """Run an action that searches; return the response of the service when the page shows it."""
    with page.expect_response(lambda response: response.url.endswith("/search")) as answered:
        act()
    answer: dict[str, Any] = answered.value.json()
    expect(page.locator("#grid")).to_have_attribute("aria-busy", "false")
    expect(page.locator("#status")).to_contain_text(f"ranked by {default_title()}, version {DEFAULT_MODEL}.1")
    return answer


def begin(page: Page) -> dict[str, Any]:
    """Search with the query tile."""
    expect(page.locator(".card").first).to_be_visible()
    item = page.locator(".card", has=page.get_by_text(QUERY, exact=True)).locator("a.tile")
    return search(page, item.click)


def shares(answer: dict[str, Any]) -> list[float]:
    """Return the match probabilities of a response."""
    return [feature["properties"]["match_probability"] for feature in answer["features"]]


def test_match_probabilities_and_the_line_below_the_likely_matches(visitor: Visitor, archive: Archive) -> None:
    page = visitor(archive.url).open("#collection=shapes&labels=wide")
    answer = begin(page)
    bars = page.locator(".card .prob")
    expect(bars).to_have_count(len(answer["features"]))
    first = shares(answer)[0]
    expect(bars.first).to_have_attribute("aria-label", re.compile(r"^(>99|\d+) % match$"))
    assert bars.first.locator("i").evaluate("(i) => parseFloat(i.style.inlineSize)") == pytest.approx(100 * first, abs=0.1)
    expect(page.locator(".card").first.get_by_role("link")).to_have_attribute("aria-label", re.compile("% match"))
    end = answer["matches_end_at"]
    line = page.locator("#grid > .match-line")
    expect(line).to_have_count(1)
    assert line.evaluate("(line) => [...line.parentNode.children].indexOf(line)") == end
    page.locator(".clock summary").click()
    expect(page.locator("#status .clock .pop")).to_contain_text("Re-rank (pairwise model)")
    expect(page.locator("#status .clock .pop")).to_contain_text(answer["index_version"])
    page.keyboard.press("Escape")
    expect(page.locator("#status .clock .pop")).to_be_hidden()
    expect(page.locator(".query-image")).to_be_visible()


def test_ranking_options_are_in_the_filters_and_in_the_url(visitor: Visitor, archive: Archive) -> None:
    page = visitor(archive.url).open("#collection=shapes")
    begin(page)
    switch = page.get_by_role("switch", name="Re-rank (pairwise model)")
    expect(switch).to_be_checked()
    least = sorted(shares(search(page, page.reload)))[-5]
    percent = math.floor(100 * least)  # 100 would exclude every tile but the query's own image
    field = page.get_by_label("At least")
    field.fill(str(percent))
    cut = search(page, lambda: field.press("Tab"))
    assert 0 < len(cut["features"]) < 30
    assert min(shares(cut)) >= percent / 100
    expect(page.locator(".card")).to_have_count(len(cut["features"]))
    plain = search(page, switch.uncheck)
    assert plain["rerank"] is None
    expect(page.locator(".prob")).to_have_count(0)
    scores = [float(text) for text in page.locator(".card .score").all_inner_texts()]
    assert scores == sorted(scores, reverse=True)
    assert "rerank=off" in page.url
    search(page, page.reload)
    expect(switch).not_to_be_checked()
    search(page, switch.check)
    assert "rerank" not in page.url


def test_near_duplicates_are_merged_and_can_be_listed(visitor: Visitor, archive: Archive) -> None:
    with httpx.Client(base_url=archive.url, timeout=60) as client:
        found = client.get("/collections/shapes/items", params={"limit": 100}).json()["features"]
        place = next(each["geometry"] for each in found if each["properties"]["file_name"] == COPIED)
        metadata = json.dumps({"again.png": {"geometry": place}})
        picture = ("again.png", archive.files[COPIED])
        sent = client.post("/collections/shapes/items", files=[("files", picture)], data={"metadata": metadata})
        follow_job(client, sent.json()["id"])
    page = visitor(archive.url).open("#collection=shapes&labels=wide")
    page.get_by_role("checkbox", name=re.compile("^wide")).uncheck()
    begin(page)
    names = page.locator(".card .name")
    expect(names.filter(has_text=re.compile(f"again.png|{COPIED}"))).to_have_count(2)
    search(page, page.get_by_role("switch", name="One result per place").check)
    expect(names.filter(has_text=re.compile(f"again.png|{COPIED}"))).to_have_count(1)
    page.get_by_role("button", name="+1 near-duplicate").click()
    dialog = page.get_by_role("dialog", name="Near-duplicates of")
    expect(dialog.locator("img")).to_have_count(2)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast(visitor: Visitor, archive: Archive, scheme: str) -> None:
    page = visitor(archive.url, color_scheme=scheme).open("#collection=shapes&labels=wide")  # the line is among these
    begin(page)
    page.locator(".clock summary").click()
    for selector in (".score", ".match-line span", ".ranking .option-name", ".clock summary", ".pop dt", ".pop p"):
        assert page.locator(selector).first.evaluate(CONTRAST) >= 4.5, selector
