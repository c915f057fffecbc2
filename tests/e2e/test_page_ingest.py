"""Page: create a collection, upload valid and invalid files, follow the job."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import JOB_MS, Archive, Visit
from tests.support.images import rgb_tif
from tests.support.pictures import striped

if os.environ.get("CI") != "true":
    pytest.importorskip("playwright", reason="needs the Python package playwright (in the extra `dev`)", exc_type=ImportError)
from playwright.sync_api import Page, expect

Visitor = Callable[..., Visit]
RECORD_STATES = """
window.seenStates = [];
new MutationObserver(() => {
    const state = document.querySelector(".job .state")?.textContent;
    if (state && state !== window.seenStates.at(-1)) window.seenStates.push(state);
}).observe(document, {childList: true, subtree: true, characterData: true});
"""


def create(page: Page, title: str) -> None:
    """Create a collection; the upload dialog opens after it."""
    page.get_by_role("button", name="New…").click()
    dialog = page.get_by_role("dialog", name="New collection")
    dialog.get_by_label("Title").fill(title)
    expect(dialog.get_by_role("radio")).to_have_count(5)
    dialog.get_by_text("Scenes: tiling, bands, scaling").click()
    dialog.get_by_label("Tile size, px").fill("128")
    dialog.get_by_role("button", name="Create the collection").click()
    expect(page.get_by_role("dialog", name=f"Add images to {title}")).to_be_visible()


def folder_of_files(folder: Path) -> Path:
    """Create two class folders of tiles, a scene, a zip file, and two files that are not valid images."""
    for label, period in {"fine": 6.0, "coarse": 24.0}.items():
        (folder / label).mkdir(parents=True)
        for number in range(6):
            (folder / label / f"{label}{number}.jpg").write_bytes(striped(number * 20, period, number, form="JPEG"))
    (folder / "fine" / "broken.jpg").write_bytes(striped(3, form="JPEG")[:700])
    (folder / "letter.tif").write_text("Dear sir or madam\n")
    rgb_tif(folder / "scene.tif", height=256, width=384)
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        archive.writestr("zipped.png", striped(45, 12.0))
    return folder


def test_a_folder_is_uploaded_and_its_invalid_files_are_listed(visit_empty: Visit, tmp_path: Path) -> None:
    page = visit_empty.open()
    page.add_init_script(RECORD_STATES)
    page.reload()
    create(page, "My tiles")
    page.locator("#upload-folder").set_input_files(folder_of_files(tmp_path / "files"))
    expect(page.locator(".picked")).to_contain_text("16 files")
    page.get_by_label("Use folder names as labels").check()
    page.get_by_role("button", name="Add 16 files").click()
    job = page.locator(".job")
    expect(job.locator(".state")).to_have_text("done", timeout=JOB_MS)
    expect(job.locator(".job-line")).to_contain_text("19 indexed, 2 rejected")
    expect(job.locator(".rejected li", has_text="broken.jpg").locator("span")).to_have_text(re.compile("damaged|cut short"))
    expect(job.locator(".rejected li", has_text="letter.tif").locator("span")).to_contain_text("not an image")
    states = page.evaluate("window.seenStates")
    assert states[0] in ("waiting", "running")
    assert states[-1] == "done"
    page.keyboard.press("Escape")
    expect(page.locator("#status")).to_contain_text("19 tiles")
    expect(page.locator(".option-name").first).to_be_visible()
    assert {"fine", "coarse"} <= set(page.locator(".option-name").all_inner_texts())
    expect(page.locator("path.footprint")).to_have_count(6)
    page.get_by_role("button", name="Jobs").click()
    dialog = page.get_by_role("dialog", name="Jobs")
    expect(dialog.locator(".job")).to_have_count(1)
    dialog.get_by_role("button", name="Show the reasons").click()
    expect(dialog.locator(".rejected li")).to_have_count(2)


def test_repeated_files_are_unchanged_and_polling_replaces_events(visit_empty: Visit, tmp_path: Path) -> None:
    visit_empty.allowed.append("ERR_FAILED")
    page = visit_empty.open()
    page.route("**/events", lambda route: route.abort())
    create(page, "Twice")
    picture = tmp_path / "one.png"
    picture.write_bytes(striped(30))
    for outcome in ("1 indexed", "1 unchanged"):
        page.locator("#upload-files").set_input_files(picture)
        page.get_by_role("button", name="Add 1 file").click()
        expect(page.locator(".job .job-line")).to_have_text(outcome, timeout=JOB_MS)


def test_a_collection_is_renamed_and_deleted(visit_empty: Visit) -> None:
    page = visit_empty.open()
    create(page, "Short lived")
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="Short lived is empty")).to_be_visible()
    page.get_by_role("button", name="Details").click()
    dialog = page.get_by_role("dialog", name="Short lived")
    expect(dialog.locator(".record")).to_contain_text("128 px tiles, stride 128 px")
    dialog.get_by_label("Title").fill("Renamed")
    dialog.get_by_role("button", name="Save").click()
    expect(page.locator("#collection")).to_contain_text("Renamed (0)")
    dialog.get_by_role("button", name="Delete the collection…").click()
    page.get_by_role("button", name="Delete the collection", exact=True).click()
    expect(page.get_by_role("heading", name="Find similar satellite tiles")).to_be_visible()


def test_real_tiles_find_their_class(visit_empty: Visit, data_dir: Path, tmp_path: Path) -> None:
    folder = data_dir / "ucmerced"
    chosen = tmp_path / "ucmerced"
    for label in ("forest", "harbor", "parkinglot"):
        (chosen / label).mkdir(parents=True)
        for source in sorted((folder / label).glob("*.jpg"))[:8]:
            (chosen / label / source.name).write_bytes(source.read_bytes())
    page = visit_empty.open()
    create(page, "UC Merced")
    page.locator("#upload-folder").set_input_files(chosen)
    page.get_by_label("Use folder names as labels").check()
    page.get_by_role("button", name="Add 24 files").click()
    expect(page.locator(".job .job-line")).to_have_text("24 indexed", timeout=JOB_MS)
    page.keyboard.press("Escape")
    query = sorted((folder / "forest").glob("*.jpg"))[20]
    page.locator("#image-input").set_input_files(query)
    expect(page.locator("#status")).to_contain_text("24 tiles searched")
    assert page.locator(".card .chip").all_inner_texts()[:2] == ["forest", "forest"]


def test_dropping_several_files_offers_to_add_them(visitor: Visitor, archive: Archive) -> None:
    page = visitor(archive.url).open("#collection=shapes")
    expect(page.locator(".card").first).to_be_visible()
    drop = """(types) => {
        const data = new DataTransfer();
        for (const name of ["a.png", "b.png"]) data.items.add(new File(["x"], name, {type: "image/png"}));
        for (const type of types)
            document.body.dispatchEvent(new DragEvent(type, {dataTransfer: data, bubbles: true, cancelable: true}));
    }"""
    page.evaluate(drop, ["dragenter", "dragover"])
    expect(page.locator("[data-drop=add]")).to_contain_text("to Shapes")
    expect(page.locator("[data-drop=search]")).to_be_hidden()
    page.evaluate(drop, ["drop"])
    expect(page.get_by_role("dialog", name="Add images to Shapes")).to_contain_text("2 files")
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
