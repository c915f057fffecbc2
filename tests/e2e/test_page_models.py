"""Page: export, import, activate and delete models."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e.conftest import Visit
from tests.support.bundle_zips import packed
from tests.support.bundles import tiny_graph, write_bundle

if os.environ.get("CI") != "true":
    pytest.importorskip("playwright", reason="needs the Python package playwright (in the extra `dev`)", exc_type=ImportError)
from playwright.sync_api import expect


def test_a_model_is_imported_activated_and_deleted(visit_empty: Visit, tmp_path: Path) -> None:
    visit_empty.allowed += ["status of 409", "status of 422", "status of 400"]
    page = visit_empty.open()
    page.get_by_role("button", name="Models").click()
    dialog = page.get_by_role("dialog", name="Models")
    expect(dialog.locator(".entry")).to_have_count(3)
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
    expect(dialog.locator(".entry")).to_have_count(3)
