"""Page: where a result and the query match."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Visit, follow_job
from tests.support.bundles import MAP_SIDE, tail_graph, write_matching_bundle
from tests.support.pictures import striped
from tests.support.process import ServeProcess

if os.environ.get("CI") != "true":
    pytest.importorskip("playwright", reason="needs the Python package playwright (in the extra `dev`)", exc_type=ImportError)
from playwright.sync_api import expect

PLACES = MAP_SIDE**2


@pytest.fixture
def explaining(tmp_path: Path, browser: object) -> Iterator[str]:
    """The address of a service with a collection of 8 tiles, whose model shows where tiles match, and one whose does not."""
    home = tmp_path / "home"
    write_matching_bundle(home / "models" / "places", tail=tail_graph(places=PLACES))
    write_matching_bundle(home / "models" / "plain")
    with ServeProcess(home) as service:
        for model in ("places", "plain"):
            assert service.client.post("/collections", json={"id": model, "model": model}).status_code == 201
            files = [("files", (f"{seed}.png", striped(15 * seed, 9, seed=seed))) for seed in range(8)]
            follow_job(service.client, service.client.post(f"/collections/{model}/items", files=files).json()["id"])
        yield service.url


def test_the_details_of_a_result_show_where_it_matches(explaining: str, visitor: Callable[..., Visit]) -> None:
    page = visitor(explaining).open("#collection=places")
    expect(page.locator(".card")).to_have_count(8)
    page.locator(".card").first.get_by_role("button", name="Details").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".record")).to_be_visible()
    expect(dialog.get_by_role("button", name="Show where it matches")).to_have_count(0)  # nothing to compare with
    page.keyboard.press("Escape")
    page.locator(".card a.tile").first.click()
    expect(page.locator(".card .rank").first).to_be_visible()
    page.locator(".card").first.get_by_role("button", name="Details").click()
    button = dialog.get_by_role("button", name="Show where it matches")
    button.click()
    for name in ("Query", "Result"):
        grid = dialog.get_by_role("img", name=f"{name}: places that match")
        expect(grid.locator("i")).to_have_count(PLACES)
        image = dialog.locator("figure", has_text=name).locator("img")
        assert grid.bounding_box() == image.bounding_box()
    strengths = dialog.locator(".heat i").evaluate_all("(cells) => cells.map((cell) => Number(cell.style.opacity))")
    assert strengths[0] == 0.0
    assert strengths[:PLACES] == sorted(strengths[:PLACES])
    assert strengths[PLACES:] == sorted(strengths[PLACES:], reverse=True)
    expect(dialog.locator(".places p")).to_contain_text("similarity 0.00 to 1.00")
    button.click()
    expect(dialog.locator(".heat")).to_have_count(0)


def test_a_model_that_cannot_show_it_says_so(explaining: str, visitor: Callable[..., Visit]) -> None:
    page = visitor(explaining).open("#collection=plain")
    page.locator(".card a.tile").first.click()
    expect(page.locator(".card .rank").first).to_be_visible()
    page.locator(".card").first.get_by_role("button", name="Details").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Show where it matches").click()
    expect(dialog.locator(".places")).to_contain_text("model 'plain' has no matcher that shows where tiles match")
