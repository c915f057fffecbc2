"""Page: export, import, activate and delete models."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import Archive, Visit
from tests.support.bundle_zips import packed
from tests.support.bundles import tiny_graph, write_bundle

if os.environ.get("CI") != "true":
    pytest.importorskip("playwright", reason="needs the Python package playwright (in the extra `dev`)", exc_type=ImportError)
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Route


def test_a_model_is_imported_activated_and_deleted(visit_empty: Visit, tmp_path: Path) -> None:
    visit_empty.allowed += ["status of 409", "status of 422", "status of 400"]
    page = visit_empty.open()
    page.get_by_role("button", name="Models").click()
    dialog = page.get_by_role("dialog", name="Models")
    expect(dialog.locator(".entry")).to_have_count(5)
    expect(dialog.locator(".entry.chosen")).to_contain_text("active")

    (tmp_path / "letter.zip").write_text("Dear sir or madam\n")
    dialog.get_by_label("Bundle to import").set_input_files(tmp_path / "letter.zip")
    expect(dialog.get_by_role("alert")).to_contain_text("zip")
    archive = packed(write_bundle(tmp_path / "tiny", tiny_graph()), tmp_path / "tiny.zip")
    dialog.get_by_label("Bundle to import").set_input_files(archive)
    expect(dialog.get_by_text("is imported.")).to_be_visible()
    dialog.get_by_label("Bundle to import").set_input_files(archive)
    expect(dialog.get_by_text("already installed")).to_be_visible()

    entry = dialog.locator(".entry[data-model=tiny]")
    expect(entry).to_contain_text("Used by no collection")
    with page.expect_download() as download:
        entry.get_by_role("link", name="Export").click()
    assert download.value.suggested_filename == "tiny.zip"
    entry.get_by_role("button", name="Activate").click()
    expect(dialog.locator(".entry.chosen")).to_have_attribute("data-model", "tiny")
    entry.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete the model").click()
    expect(entry.get_by_role("alert")).to_contain_text("active")
    dialog.locator(".entry[data-model=hog]").get_by_role("button", name="Activate").click()
    expect(dialog.locator(".entry.chosen")).to_have_attribute("data-model", "hog")
    entry.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete the model").click()
    expect(dialog.locator(".entry")).to_have_count(5)


def supersede(route: Route) -> None:
    """Answer `GET /models` as if HoG were a newer bundled model, for research use, that replaces the default one."""
    document = route.fetch().json()
    for model in document["models"]:
        if model["default"]:
            model["superseded_by"] = "hog"
        if model["id"] == "hog":
            model |= {
                "research_only": True,
                "licence": "research use",
                "starting_weights": [{"name": "ImageNet weights", "terms": "Apache-2.0", "source": "a package"}],
            }
    route.fulfill(json=document)


def test_a_newer_bundled_model_is_proposed_once_with_its_terms(visitor: Callable[..., Visit], archive: Archive) -> None:
    visit = visitor(archive.url)
    visit.page.route("**/models", supersede)
    page = visit.open("#collection=shapes")
    proposal = page.locator("#upgrade")
    expect(proposal).to_contain_text("finds better neighbours on imagery it was not trained on")
    expect(proposal).to_contain_text("research use only")
    proposal.get_by_role("button", name="Re-index…").click()
    dialog = page.get_by_role("dialog", name="Shapes")
    expect(dialog.get_by_role("combobox", name="Model")).to_have_value("hog")
    expect(dialog).to_contain_text("Started from: ImageNet weights (Apache-2.0; a package)")
    page.keyboard.press("Escape")
    proposal.get_by_role("button", name="Dismiss").click()
    expect(proposal).to_be_hidden()
    page.reload()
    expect(page.locator(".card").first).to_be_visible()
    expect(proposal).to_be_hidden()
    page.get_by_role("button", name="New…").click()
    option = page.locator("label.model", has=page.locator("input[value=hog]"))
    expect(option).to_contain_text("research use only")
    expect(option).to_contain_text("Licence: research use")
