"""Journey: labelling many tiles with a few keys."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio

from tests.e2e.conftest import follow_job
from tests.e2e.journeys.conftest import Journey, Land
from tests.e2e.test_page_label_tools import wait_until
from tests.support.images import geotiff

if os.environ.get("CI") != "true":
    pytest.importorskip("playwright", reason="needs the Python package playwright (in the extra `dev`)", exc_type=ImportError)
from playwright.sync_api import expect

Begin = Callable[[str], Journey]
SIDE = 256
"""Width and height in pixels of the scene that is labelled: 16 tiles."""


def cut(scene: Path, path: Path) -> Path:
    """Write the upper left corner of a scene."""
    with rasterio.open(scene) as source:
        values = source.read((1, 2, 3))[:, :SIDE, :SIDE]
        return geotiff(
            path, np.ascontiguousarray(values), crs=source.crs.to_string(), transform=source.transform, photometric="RGB"
        )


@pytest.fixture
def corner(land: Land, scenes: list[Path], tmp_path: Path) -> Iterator[str]:
    """The collection `corner` of 16 tiles, of which four have the class `field` and two the class `water`."""
    land.client.post("/collections", json={"id": "corner", "title": "Corner", "tile_size": 64}).raise_for_status()
    path = cut(scenes[0], tmp_path / "corner_20210601.tif")
    sent = land.client.post("/collections/corner/items", files=[("files", (path.name, path.read_bytes()))])
    follow_job(land.client, sent.raise_for_status().json()["id"])
    items = [f["id"] for f in land.client.get("/collections/corner/items?limit=50").json()["features"]]
    for number, item in enumerate(items[-6:]):
        labels = ["water"] if number < 2 else ["field"]
        land.client.patch(f"/collections/corner/items/{item}", json={"labels": labels}).raise_for_status()
    yield "corner"
    land.client.delete("/collections/corner").raise_for_status()


def labels(land: Land) -> dict[str, list[str]]:
    """Labels of the tiles at the service."""
    answer = land.client.get("/collections/corner/items?limit=50").json()
    return {f["id"]: f["properties"]["labels"] for f in answer["features"]}


def test_many_tiles_are_labelled_with_few_keys(corner: str, journey: Begin, land: Land) -> None:
    here = journey(land.url)
    page = here.open(f"#collection={corner}")
    before = labels(land)
    here.button("Label", exact=True)
    field = page.get_by_label("Label to add")
    expect(field).to_be_visible()
    room = field.evaluate("""(input) => {
        const context = document.createElement("canvas").getContext("2d"), style = getComputedStyle(input);
        context.font = style.font;
        return input.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight)
            - context.measureText(input.placeholder).width;
    }""")
    assert room >= 0, "the placeholder is whole"
    field.press_sequentially("wat")
    expect(page.locator("#label-bar [role=option]")).to_contain_text(["water", "New label"])
    here.save("10-type-ahead")
    field.fill("meadow")
    field.press("Enter")
    handle, bar, first = here.box("#splitter"), here.box("#label-bar"), here.box(".card")
    if here.touch:
        assert bar[1] >= handle[1] + handle[3] - 1, "the sheet's handle covers nothing of the bar"
    assert first[1] >= bar[1] + bar[3] - 1 or first[1] < bar[1]

    page.get_by_label("Auto-advance").check()
    shown = here.shown()
    free = [item for item in shown if not before[item]]
    page.locator(f".card[data-id='{free[0]}'] a.tile").focus()
    page.keyboard.press("Enter")
    expect(page.locator(f".card[data-id='{free[1]}'] a.tile")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(f".card[data-id='{free[2]}'] a.tile")).to_be_focused()
    wait_until(lambda: [labels(land)[item] for item in free[:3]] == [["meadow"], ["meadow"], []])
    here.save("10-auto-advance")

    here.button("Review…")
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("button.proposal").first).to_be_visible()
    suggested = land.client.get("/collections/corner/suggestions?limit=50").json()["features"]
    assert suggested[0]["id"] in dialog.locator("img").first.get_attribute("src")  # type: ignore[operator]
    page.wait_for_load_state("networkidle")
    here.save("10-review")
    chosen = dialog.locator("button.proposal .ellipsis").first.inner_text()
    here.press(dialog.locator("button.proposal").first)
    wait_until(lambda: labels(land)[suggested[0]["id"]] == [chosen])
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)

    page.reload()
    expect(page.locator(".card").first).to_be_visible()
    here.button("Label", exact=True)
    undo = page.get_by_role("button", name="Undo")
    for _ in range(3):
        expect(undo).to_be_enabled()
        here.press(undo)
        page.wait_for_timeout(150)
    wait_until(lambda: labels(land) == before)
