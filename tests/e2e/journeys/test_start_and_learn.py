"""Journeys: from an empty service to a first search, and from labels to a better index and back."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import JOB_MS, follow_job, until
from tests.e2e.journeys.conftest import Journey, changed, decoded
from tests.e2e.journeys.test_labels import cut
from tests.e2e.test_page import GIVE, ranked
from tests.support.pictures import striped
from tests.support.process import ServeProcess

if os.environ.get("CI") != "true":
    pytest.importorskip("playwright", reason="needs the Python package playwright (in the extra `dev`)", exc_type=ImportError)
from playwright.sync_api import expect

Begin = Callable[[str], Journey]
WIDTHS = {"fine": 8.0, "coarse": 16.0}
PER_KIND = 10
TRAINED = "Stripes, trained"
"""Title of the model that is trained."""


@pytest.fixture(scope="session")
def fresh(require_program: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service that is empty before each journey."""
    require_program("chromium")
    with ServeProcess(tmp_path_factory.mktemp("fresh") / "home") as service:
        yield service.url


@pytest.fixture(scope="session")
def trained(
    require_program: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, list[str]]]:
    """The address of a service whose collection `stripes` was indexed, labelled and trained, and its index versions.

    It is trained once, since the journey at each width only reads: `test_page_learning.py` trains with the page.
    """
    require_program("chromium")
    files = {
        f"{kind}-{number:02}.png": striped(number * 17, period, number, tint=((1, 0.8, 0.6), (0.6, 1, 0.7))[number % 2])
        for kind, period in WIDTHS.items()
        for number in range(PER_KIND)
    }
    with ServeProcess(tmp_path_factory.mktemp("trained") / "home") as service:
        client = service.client
        client.post("/collections", json={"id": "stripes", "title": "Stripes"}).raise_for_status()
        sent = client.post("/collections/stripes/items", files=[("files", item) for item in files.items()])
        follow_job(client, sent.raise_for_status().json()["id"])
        table = "file_name,label\n" + "".join(f"{name},{name.split('-')[0]}\n" for name in files)
        client.post("/collections/stripes/labels", content=table, headers={"Content-Type": "text/csv"}).raise_for_status()
        run(client, "train", {"collection": "stripes", "recipe": "head", "title": TRAINED, "reindex": False})
        (model,) = (each["id"] for each in client.get("/models").json()["models"] if each["title"] == TRAINED)
        run(client, "reindex", {"collection": "stripes", "model": model, "force": True})
        versions = [each["version"] for each in client.get("/collections/stripes/indexes").json()["indexes"]]
        yield service.url, versions


def run(client: httpx.Client, process: str, inputs: dict[str, Any]) -> None:
    """Run a process to its end."""
    started = client.post(f"/processes/{process}/execution", json={"inputs": inputs})
    assert started.status_code == 201, started.text
    follow_job(client, started.json()["id"])


def test_a_dropped_scene_becomes_a_collection(journey: Begin, fresh: str, scenes: list[Path], tmp_path: Path) -> None:
    here = journey(fresh)
    here.visit.open()
    page = here.page
    expect(page.get_by_role("heading", name="Find similar satellite tiles")).to_be_visible()
    here.save("11-empty")
    scene = cut(scenes[-1], tmp_path / "river_20200831.tif")
    try:
        page.evaluate(GIVE, ["drop", scene.name, base64.b64encode(scene.read_bytes()).decode()])
        dialog = page.get_by_role("dialog", name="New collection from these files")
        previews = dialog.locator(".proposal-previews img")
        expect(previews.first).to_be_visible()
        side = dialog.get_by_label("Tile size")
        side.fill("64")
        side.press("Tab")
        expect(dialog.locator(".proposal-previews:not(.stale) img")).to_have_count(3)
        expect(dialog).to_contain_text("of 64 pixels")
        pictures = [decoded(base64.b64decode(str(each.get_attribute("src")).split(",")[1])) for each in previews.all()]
        assert all(picture.std() > 3 for picture in pictures)
        assert changed(pictures[0], pictures[-1]) > 0.1, "three different tiles"
        assert httpx.get(f"{fresh}/collections").json()["collections"] == [], "nothing is stored before it starts"
        here.save("11-proposal")
        here.press(dialog.get_by_role("button", name="Create and add 1 file"))
        expect(page.get_by_role("dialog").locator(".job.is-successful")).to_contain_text("16 indexed", timeout=JOB_MS)
        here.save("11-indexed")
        page.keyboard.press("Escape")
        expect(page.locator("path.footprint")).to_have_count(16)
        here.press(page.locator(".card a.tile").first)
        ranked(page)
        assert len(here.footprints()) == 15
        here.save("11-first-search")
    finally:
        for each in httpx.get(f"{fresh}/collections").json()["collections"]:
            httpx.delete(f"{fresh}/collections/{each['id']}", timeout=60).raise_for_status()


def test_an_older_index_is_searched_without_a_dialog_in_the_way(journey: Begin, trained: tuple[str, list[str]]) -> None:
    url, versions = trained
    assert len(versions) == 2
    here = journey(url)
    here.visit.open("#collection=stripes")
    page = here.page
    expect(page.locator(".card").first).to_be_visible()
    here.press(page.get_by_role("button", name="Details").first)
    dialog = page.get_by_role("dialog", name="Stripes")
    here.press(dialog.get_by_role("tab", name="Index"))
    expect(dialog.locator("tbody tr")).to_have_count(2)
    expect(dialog.locator("tr.chosen")).to_contain_text(TRAINED)
    table, action = here.box("dialog .scroll"), dialog.get_by_role("button", name="Roll back…").bounding_box()
    assert action is not None
    assert here.touch or action["x"] + action["width"] <= table[0] + table[2], "nothing is cut off"
    here.save("12-versions")
    here.press(dialog.get_by_role("button", name="Search this version"))
    expect(dialog).to_have_count(0)
    until(page, lambda: "version=" in page.url)
    here.press(page.locator(".card a.tile").first)
    ranked(page)
    expect(page.locator("#status")).to_contain_text("previous index version")
    older = page.url.split("version=")[1].split("&")[0]
    assert older in versions
    x, y, width, _height = here.box(".card a.tile")
    seen = "([x, y]) => Boolean(document.elementFromPoint(x, y)?.closest('.card'))"
    assert page.evaluate(seen, [x + width / 2, y + 20]), "nothing is in front of the results"
    item = page.url.split("item=")[1].split("&")[0]
    shown = here.shown()
    query = {"positives": [item], "index_version": older, "limit": 30}
    found = httpx.post(f"{url}/collections/stripes/search", json=query, timeout=60).json()["features"]
    assert shown == [f["id"] for f in found]
    here.save("12-older-version")
    here.button("Use the current index")
    ranked(page)
    assert "version=" not in page.url
    here.save("12-current-version")
