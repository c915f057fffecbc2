"""Content tells what a file is; its name does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.imagery.sources.file_kinds import FileKind, sniff
from tests.support import images


def test_kinds_by_content(tmp_path: Path) -> None:
    odd = tmp_path / "x.doc"
    cases = {
        FileKind.RASTER: images.rgb_tif(tmp_path / "x.tif").read_bytes(),
        FileKind.ZIP: images.zipped(tmp_path / "x.zip", {}).read_bytes(),
        FileKind.STAC: b'\xef\xbb\xbf \n{"id": 1, "stac_version": "1.0.0"}',
        FileKind.UNKNOWN: b'{"type": "Feature"}',
    }
    for kind, data in cases.items():
        odd.write_bytes(data)
        assert sniff(odd) is kind
        assert sniff(data) is kind
    for name in ("x.jpg", "x.png", "x.webp"):
        assert sniff(images.saved(tmp_path / name)) is FileKind.IMAGE


@pytest.mark.parametrize("endian", ["little", "big"])
@pytest.mark.parametrize("big", ["yes", "no"])
def test_all_four_tiffs(tmp_path: Path, endian: str, big: str) -> None:
    assert sniff(images.rgb_tif(tmp_path / "x.tif", endianness=endian, bigtiff=big)) is FileKind.RASTER


@pytest.mark.parametrize("data", [b"", b"x", b"II", b"RIFF0000WAVE", b"GIF89a", b"\xff\xd8", b"%PDF-1.7", b"{", b"\x00" * 100])
def test_anything_else_is_unknown(data: bytes) -> None:
    assert sniff(data) is FileKind.UNKNOWN
