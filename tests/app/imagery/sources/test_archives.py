"""Zips: good members come out one by one, bad ones are named, bombs are refused."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest

from app.errors import DyadError, InvalidInput, TooLarge, UnreadableImage
from app.imagery.sources.archives import extract
from tests.support import images

MIB = 1024 * 1024


def unpack(path: Path, max_bytes: int = 100 * MIB) -> dict[str, bytes | DyadError]:
    into = path.parent / "staged"
    into.mkdir(exist_ok=True)
    found: dict[str, bytes | DyadError] = {}
    for name, member in extract(path, "a.zip", into, max_bytes):
        if isinstance(member, DyadError):
            found[f"{name}#2" if name in found else name] = member
        else:
            assert member.parent == into
            found[name] = member.read_bytes()
            member.unlink()
        assert list(into.iterdir()) == [], "one at a time"
    return found


def test_members_come_out_under_their_names(tmp_path: Path) -> None:
    members = {"x.jpg": images.jpeg_bytes(1), "folder/y.jpg": images.jpeg_bytes(2), "folder/größe.tif": b"text"}
    junk = {"__MACOSX/._x.jpg": b"", ".DS_Store": b"", "folder/.hidden/z.jpg": b"", "folder/": b"", "Thumbs.db": b""}
    found = unpack(images.zipped(tmp_path / "a.zip", {**members, **junk}))
    assert found == {f"a.zip/{name}": data for name, data in members.items()}


def test_traversal_is_refused_and_the_rest_is_read(tmp_path: Path) -> None:
    found = unpack(images.traversal_zip(tmp_path / "a.zip"))
    assert isinstance(found["a.zip/good/x.jpg"], bytes)
    for name in ("a.zip/../evil.jpg", "a.zip//etc/evil.jpg"):
        assert isinstance(found[name], InvalidInput)
        assert "leads out of the archive" in str(found[name])
    assert not (tmp_path.parent / "evil.jpg").exists()
    windows = images.zipped(tmp_path / "w.zip", {"..\\x.jpg": b"x", "C:\\x.jpg": b"x", "a\nb.jpg": b"x"})
    assert all(isinstance(member, InvalidInput) for member in unpack(windows).values())


def test_links_duplicates_and_zips_within_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    inner = images.zipped(tmp_path / "inner.zip", {"x.jpg": b"x"}).read_bytes()
    with zipfile.ZipFile(path, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("x.jpg", b"first")
        archive.writestr("x.jpg", b"second")
        archive.writestr("inner.jpg", inner)
        link = zipfile.ZipInfo("link.jpg")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    found = unpack(path)
    assert found["a.zip/x.jpg"] == b"first"
    assert "twice" in str(found["a.zip/x.jpg#2"])
    assert "zip within a zip" in str(found["a.zip/inner.jpg"])
    assert "link" in str(found["a.zip/link.jpg"])


def test_encrypted_and_damaged_members_are_named(tmp_path: Path) -> None:
    path = images.zipped(tmp_path / "a.zip", {"x.jpg": images.jpeg_bytes(1), "y.jpg": images.jpeg_bytes(2)})
    data = bytearray(path.read_bytes())
    data[60] ^= 0xFF
    second = data.index(b"PK\x03\x04", 10)
    directory = data.rindex(b"PK\x01\x02")
    data[second + 6] |= 1
    data[directory + 8] |= 1
    path.write_bytes(data)
    found = unpack(path)
    assert isinstance(found["a.zip/x.jpg"], UnreadableImage)
    assert "damaged" in str(found["a.zip/x.jpg"])
    assert "without a password" in str(found["a.zip/y.jpg"])


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    path = images.zip_bomb(tmp_path / "a.zip")
    with pytest.raises(TooLarge, match="200 times its size"):
        unpack(path, max_bytes=1000 * MIB)
    with pytest.raises(TooLarge, match=r"more than 100 MiB \(DYAD_MAX_UPLOAD_MB\)"):
        unpack(path)


def test_a_bomb_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    path = images.zip_bomb(tmp_path / "a.zip", megabytes=80)
    data = bytearray(path.read_bytes())
    directory = data.rindex(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = struct.pack("<I", 1000)
    path.write_bytes(data)
    found: dict[str, bytes | DyadError] = {}
    try:
        found = unpack(path, max_bytes=10 * MIB)
    except TooLarge:
        return
    assert isinstance(found["a.zip/zeros.tif"], UnreadableImage)


def test_overlapping_members_are_counted_as_they_come_out(tmp_path: Path) -> None:
    """Many entries that share one body, each honest about itself."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.tif", bytes(MIB))
        first = archive.infolist()[0]
        for number in range(1, 30):
            copy = zipfile.ZipInfo(f"{number}.tif")
            for field in ("compress_type", "CRC", "compress_size", "file_size", "header_offset"):
                setattr(copy, field, getattr(first, field))
            archive.filelist.append(copy)
    path = tmp_path / "a.zip"
    path.write_bytes(buffer.getvalue())
    with pytest.raises(TooLarge):
        unpack(path, max_bytes=20 * MIB)


def test_zip64_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive, archive.open("x.jpg", "w", force_zip64=True) as member:
        member.write(b"x" * 1000)
    assert unpack(path) == {"a.zip/x.jpg": b"x" * 1000}


def test_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    path = images.zipped(tmp_path / "a.zip", {"x.jpg": images.jpeg_bytes()})
    whole = path.read_bytes()
    for data in (
        whole[: len(whole) // 2],
        b"PK\x03\x04",
        b"PK\x05\x06" + bytes(10),
        whole.replace(b"PK\x01\x02", b"PK\xff\xff"),
    ):
        path.write_bytes(data)
        with pytest.raises(UnreadableImage, match="zip"):
            unpack(path)


def test_absurd_tables_of_contents_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(b"PK\x03\x04" + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 9, 9, 300 * MIB, 4, 0))
    with pytest.raises(TooLarge, match="members"):
        unpack(path)


def test_an_empty_zip_gives_nothing(tmp_path: Path) -> None:
    assert unpack(images.zipped(tmp_path / "a.zip", {})) == {}
