from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest

from models.export.archive import pack_bundle, unpack_bundle
from models.export.errors import BundleError
from models.export.verify import read_card
from tests.models.export.tiny import copy_bundle


@pytest.fixture
def archive(written: Path, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.zip"
    pack_bundle(written, path)
    return path


def test_a_bundle_survives_the_journey(written: Path, archive: Path, tmp_path: Path) -> None:
    folder = unpack_bundle(archive, tmp_path / "models")
    assert folder == tmp_path / "models" / "tiny"
    assert read_card(folder) == read_card(written)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        path.name: path.read_bytes() for path in written.iterdir()
    }
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["tiny"]
    with pytest.raises(BundleError, match="exists; remove that model first"):
        unpack_bundle(archive, tmp_path / "models")


def test_equal_bundles_give_equal_archives(written: Path, archive: Path, tmp_path: Path) -> None:
    pack_bundle(copy_bundle(written, tmp_path / "tiny"), tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()
    with pytest.raises(BundleError, match="exists"):
        pack_bundle(written, archive)


def test_what_is_no_bundle_is_not_packed(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BundleError, match=r"no card.json"):
        pack_bundle(tmp_path / "empty", tmp_path / "empty.zip")


@pytest.mark.parametrize("name", ["../evil", "/evil", "sub/evil", "..", ".hidden", "a\\b", "sub/"])
def test_names_that_lead_elsewhere_are_refused(archive: Path, tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr(zipfile.ZipInfo(name), b"evil")
    refused(archive, tmp_path, "no plain file at the top")


def test_links_are_refused(archive: Path, tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("link")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr(entry, b"/etc/passwd")
    refused(archive, tmp_path, "no plain file at the top")


def test_a_name_that_comes_twice_is_refused(archive: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(archive, "a") as file, pytest.warns(UserWarning, match="Duplicate name"):
        file.writestr("card.json", b"{}")
    refused(archive, tmp_path, "File exists")


def test_bombs_are_refused(archive: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("zeros", bytes(4 << 20))
    assert archive.stat().st_size < 3 << 20
    refused(archive, tmp_path, "more bytes than a bundle may have", max_bytes=3 << 20)


def test_too_many_entries_are_refused(archive: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(archive, "a") as file:
        for number in range(70):
            file.writestr(f"f{number}", b"")
    refused(archive, tmp_path, "entries, more than")


def test_files_that_the_card_does_not_know_are_refused(archive: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("extra.py", b"print('hello')")
    refused(archive, tmp_path, r"extra.py is not declared")


def test_damage_is_refused(archive: Path, tmp_path: Path) -> None:
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 0xFF
    archive.write_bytes(content)
    refused(archive, tmp_path, r"cannot be read as a ZIP file")
    archive.write_bytes(content[: len(content) // 2])
    refused(archive, tmp_path, r"cannot be read as a ZIP file")
    archive.unlink()
    refused(archive, tmp_path, "cannot be unpacked")


def test_an_archive_without_a_card_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("encoder.onnx", b"x")
    refused(path, tmp_path, r"no card.json")


def refused(archive: Path, tmp_path: Path, reason: str, max_bytes: int = 64 << 20) -> None:
    """Unpacking fails for that reason and leaves nothing behind."""
    parent = tmp_path / "models"
    with pytest.raises(BundleError, match=reason):
        unpack_bundle(archive, parent, max_bytes)
    assert list(parent.iterdir()) == []
    assert not (tmp_path / "evil").exists()
