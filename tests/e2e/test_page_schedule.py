"""Page: create a schedule, see validation errors, run it, read its result, delete it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import JOB_MS, Visit
from tests.support.pictures import striped
from tests.support.process import ServeProcess

if TYPE_CHECKING:
    from playwright.sync_api import Browser

if os.environ.get("CI") != "true":
    pytest.importorskip("playwright", reason="needs the Python package playwright (in the extra `dev`)", exc_type=ImportError)
from playwright.sync_api import expect


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder on the server with two class folders of tiles, and a file that is not an image."""
    folder = tmp_path / "source"
    for label, period in {"fine": 6.0, "coarse": 24.0}.items():
        (folder / label).mkdir(parents=True)
        for number in range(3):
            (folder / label / f"{number}.png").write_bytes(striped(number * 20, period, number))
    (folder / "fine" / "broken.png").write_bytes(b"Dear sir or madam")
    return folder


@pytest.fixture
def service(tmp_path: Path, source: Path, browser: Browser) -> Iterator[ServeProcess]:
    """A service with read access to the folder, and the empty collection `kept`."""
    with ServeProcess(tmp_path / "home", DYAD_READ_ROOTS=str(source)) as process:
        process.client.post("/collections", json={"id": "kept", "title": "Kept"}).raise_for_status()
        yield process


def test_a_schedule_is_set_run_and_deleted(service: ServeProcess, source: Path, visitor: Callable[..., Visit]) -> None:
    visit = visitor(service.url)
    visit.allowed += ["status of 404", "status of 422"]
    page = visit.open("#collection=kept")
    page.get_by_role("button", name="Details").click()
    dialog = page.get_by_role("dialog", name="Kept")
    dialog.get_by_role("tab", name="Schedule").click()
    dialog.get_by_label("Path on the server").fill(str(source))
    dialog.get_by_label("Use folder names as labels").check()
    dialog.get_by_label("Cron").fill("0 3 * *")
    dialog.get_by_role("button", name="Set the schedule").click()
    expect(dialog.get_by_role("alert")).to_contain_text("five are needed")
    dialog.get_by_label("When", exact=True).select_option("Mondays at 3:00")
    dialog.get_by_role("button", name="Set the schedule").click()
    expect(dialog.locator(".record").last).to_contain_text("not yet")
    dialog.get_by_role("button", name="Run now").click()
    expect(dialog.locator(".job .state")).to_have_text("done", timeout=JOB_MS)
    expect(dialog.locator(".record").last).to_contain_text("6 indexed")
    expect(dialog.locator(".rejected").first).to_contain_text("broken.png")
    page.keyboard.press("Escape")
    expect(page.locator("#filters .option-name")).to_have_text(["coarse", "fine"])

    page.get_by_role("button", name="Details").first.click()
    dialog.get_by_role("tab", name="Schedule").click()
    expect(dialog.get_by_label("Path on the server")).to_have_value(str(source))
    expect(dialog.get_by_label("When", exact=True)).to_have_value("0 3 * * 1")
    dialog.get_by_role("button", name="Delete the schedule…").click()
    page.get_by_role("button", name="Delete the schedule", exact=True).click()
    expect(dialog.get_by_text("No schedule yet")).to_be_visible()
