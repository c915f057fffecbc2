"""Page: many classes, keys of labels, the next unlabelled tile, the review queue, undo, changes of other people."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.e2e.conftest import Archive, Visit, follow_job
from tests.e2e.test_page_labelling import chips, start, wait_for_labels
from tests.support.pictures import striped

if TYPE_CHECKING:
    from playwright.sync_api import Page

if os.environ.get("CI") != "true":
    pytest.importorskip("playwright", reason="needs the Python package playwright (in the extra `dev`)", exc_type=ImportError)
from playwright.sync_api import expect

Visitor = Callable[..., Visit]

CLASSES = 200
REVIEWED = {"fine": 5.0, "coarse": 26.0}
"""Labels of the collection `review`, and the width of their stripes in pixels."""


@pytest.fixture(scope="module")
def half_labelled(archive: Archive) -> Iterator[str]:
    """The address of a service with the collection `review`, of which eight of fourteen tiles have a label."""
    with httpx.Client(base_url=archive.url, timeout=120) as client:
        client.post("/collections", json={"id": "review"}).raise_for_status()
        pictures = {
            f"{label}-{n}.png": striped(angle=n * 9, period=width, seed=n)
            for label, width in REVIEWED.items()
            for n in range(7)
        }
        files = [("files", (name, data)) for name, data in pictures.items()]
        job = client.post("/collections/review/items", files=files)
        follow_job(client, job.raise_for_status().json()["id"])
        rows = "\n".join(f"{name},{name.split('-')[0]}" for name in pictures if int(name[-5]) < 4)
        client.post(
            "/collections/review/labels", content=f"file_name,label\n{rows}\n", headers={"Content-Type": "text/csv"}
        ).raise_for_status()
        yield archive.url
        client.delete("/collections/review")


def labels_of(url: str) -> dict[str, list[str]]:
    """The labels of the tiles of the collection `review`, by file name."""
    answer = httpx.get(f"{url}/collections/review/items?limit=50").json()
    return {f["properties"]["file_name"]: f["properties"]["labels"] for f in answer["features"]}


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait at most a minute for a condition."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def other_people(page: Page) -> None:
    """Let the page look for the changes of other people now."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_one_of_two_hundred_classes_is_found_by_typing(visitor: Visitor, archive: Archive) -> None:
    visit = visitor(archive.url)
    page = visit.page
    classes = [{"value": f"class {n:03}", "count": CLASSES - n} for n in range(CLASSES)]
    page.route("**/collections/shapes/labels", lambda route: route.fulfill(json={"labels": classes}))
    visit.open("#collection=shapes")
    expect(page.locator(".card").first).to_be_visible()
    page.keyboard.press("l")
    field = page.get_by_label("Label to add")
    field.press("ArrowDown")
    expect(page.locator("#label-bar [role=option]")).to_have_count(40)
    field.fill("17")
    took = page.evaluate(
        """() => {
            const input = document.getElementById("label-input"), begin = performance.now();
            input.dispatchEvent(new Event("input"));
            return performance.now() - begin;
        }"""
    )
    assert took < 200
    options = page.locator("#label-bar [role=option]")
    assert [text.split("\n")[0] for text in options.all_inner_texts()[:3]] == ["New label “17”", "class 170", "class 171"]
    field.fill("class 17")
    field.press("ArrowDown")
    field.press("Enter")
    assert page.evaluate("document.getElementById('label-input').value") == "class 171"
    page.locator("#label-progress summary").click()
    expect(page.locator("#label-progress li")).to_have_count(CLASSES)


def test_keys_are_given_to_other_labels_and_kept(visitor: Visitor, archive: Archive) -> None:
    page = visitor(archive.url).open("#collection=shapes")
    start(page, "orchard")
    page.keyboard.press("Shift+Digit1")
    expect(page.locator(".label-key").first).to_have_attribute("data-label", "orchard")
    page.keyboard.press("1")
    expect(chips(page.locator(".card").first)).to_contain_text(["orchard"])
    page.locator("#label-keys").click()
    page.get_by_label("Label of key 3").select_option("orchard")
    expect(page.locator(".label-key").nth(2)).to_have_attribute("data-label", "orchard", timeout=5000)
    page.keyboard.press("Escape")
    expect(page.locator(".label-hint", has_text="Saving")).to_have_count(0)
    page.reload()
    expect(page.locator(".card").first).to_be_visible()
    page.keyboard.press("l")
    expect(page.locator(".label-key").nth(2)).to_have_attribute("data-label", "orchard")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Undo").click()  # of before the reload
    expect(page.locator("#grid .chip", has_text="orchard")).to_have_count(0)


def test_a_label_by_key_goes_on_to_the_next_tile_without_one(visitor: Visitor, half_labelled: str) -> None:
    page = visitor(half_labelled).open("#collection=review&sort=name")
    start(page, "fine")
    page.get_by_label("Auto-advance").check()
    names = page.locator(".card .name").all_inner_texts()
    before = labels_of(half_labelled)
    free = [name for name in names if not before[name]]
    page.locator(".card", has_text=free[0]).locator("a.tile").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".card.active .name")).to_have_text(free[1])
    expect(page.locator(".card.active a.tile")).to_be_focused()
    page.keyboard.press("u")
    wait_until(lambda: labels_of(half_labelled) == before)


def test_the_review_queue_proposes_classes(visitor: Visitor, half_labelled: str) -> None:
    page = visitor(half_labelled).open("#collection=review")
    expect(page.locator(".card").first).to_be_visible()
    before = labels_of(half_labelled)
    page.keyboard.press("l")
    page.keyboard.press("Escape")  # leaves the field
    page.keyboard.press("v")
    dialog = page.get_by_role("dialog")
    shown = dialog.locator("figcaption")
    suggested = httpx.get(f"{half_labelled}/collections/review/suggestions?limit=50").json()["features"]
    first, second = (each["properties"]["file_name"] for each in suggested[:2])
    expect(shown).to_have_text(first)
    expect(dialog.locator("button.proposal")).to_have_count(len(REVIEWED))
    expect(dialog.locator(".proposal.none")).to_contain_text("%")
    best = dialog.locator("button.proposal .ellipsis").first.inner_text()
    assert best == first.split("-")[0]
    dialog.locator("button.proposal").first.click()
    expect(shown).to_have_text(second)
    wait_until(lambda: labels_of(half_labelled)[first] == [best])
    page.keyboard.press("s")
    expect(dialog).to_contain_text("1 tile labelled, 1 skipped")
    page.keyboard.press("u")
    expect(shown).to_have_text(second)
    page.keyboard.press("o")
    page.keyboard.type("strange")
    page.keyboard.press("Enter")
    expect(dialog).to_contain_text("2 tiles labelled, 0 skipped")
    wait_until(lambda: labels_of(half_labelled)[second] == ["strange"])
    for _ in range(2):
        page.keyboard.press("u")
    expect(dialog).to_contain_text("0 tiles labelled, 0 skipped")
    wait_until(lambda: labels_of(half_labelled) == before)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_the_details_show_probable_classes(visitor: Visitor, half_labelled: str) -> None:
    page = visitor(half_labelled).open("#collection=review")
    page.locator(".card", has_text="coarse-6").get_by_role("button", name="Details").click()
    rows = page.get_by_role("dialog").locator(".classes .proposal")
    expect(rows).to_have_text([re.compile("coarse"), re.compile("fine"), re.compile("None of these")])
    assert sum(int(re.sub(r"\D", "", text.split("\n")[-1]) or 0) for text in rows.all_inner_texts()) in range(97, 104)


def test_labels_of_other_people_appear_without_a_reload(visitor: Visitor, archive: Archive) -> None:
    page = visitor(archive.url).open("#collection=shapes")
    card = page.locator(".card").nth(4)
    expect(chips(card).first).to_be_visible()
    own = chips(card).all_inner_texts()
    item = card.get_attribute("data-id")
    address = f"{archive.url}/collections/shapes/items/{item}"
    httpx.patch(address, json={"labels": {"add": ["from another desk"]}}).raise_for_status()
    other_people(page)
    expect(chips(card)).to_have_text([*own, "from another desk"])
    expect(page.locator(".option-name", has_text="from another desk")).to_have_count(1)
    httpx.patch(address, json={"labels": {"remove": ["from another desk"]}}).raise_for_status()
    other_people(page)
    expect(chips(card)).to_have_text(own)
    wait_for_labels(archive, card.locator(".name").inner_text(), set(own))
