"""Files that are not images in a supported format are named, with what helps."""

from __future__ import annotations

import pytest

from app.errors import UnreadableImage
from app.imagery.tiling.tiler import read_query
from tests.support.cutting import spec

HEADS = {
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n": "Git LFS pointer.*git lfs pull",
    b"<!DOCTYPE html><html>": "HTML page.*download",
    b"\n <html>": "HTML page",
    b"\x00\x00\x00\x20ftypheic\x00": "HEIC.*magick in.heic",
    b"\x00\x00\x00\x20ftypavif\x00": "AVIF.*magick in.avif",
    b"CDF\x01": "netCDF.*gdal_translate",
    b"\x89HDF\r\n\x1a\n": "HDF5.*gdal_translate",
    b"%PDF-1.7": "PDF.*gdal_translate",
    b"GIF89a": "GIF.*magick",
    b"BM\x00": "BMP.*magick",
    b"\x1f\x8b\x08": "gzip.*unpack",
    b"<VRTDataset rasterXSize='1'>": "VRT.*gdal_translate",
    b"<?xml version='1.0'?>": "XML",
    b"\x00" * 257 + b"ustar": "tar archive",
    b"": "empty",
    b"hello": "not an image in a supported format",
}


@pytest.mark.parametrize("head", HEADS)
def test_the_format_is_named(head: bytes) -> None:
    with pytest.raises(UnreadableImage, match=HEADS[head]):
        read_query(head, spec())
