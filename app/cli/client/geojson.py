"""Newline-delimited GeoJSON as one feature collection, without reading it into memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def as_collection(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """A GeoJSON feature collection of the features that stand in the lines of `pieces`."""
    yield b'{"type": "FeatureCollection", "features": [\n'
    separator, rest = b"", b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield separator + line
            separator = b",\n"
    yield b"\n]}\n"
