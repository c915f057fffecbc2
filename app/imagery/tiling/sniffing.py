"""The kind of an image file; other files are refused with the reason."""

from __future__ import annotations

from pathlib import Path

from app.errors import UnreadableImage
from app.imagery.sources.file_kinds import FileKind, sniff
from app.imagery.sources.foreign_formats import explain


def sniff_image(source: Path | bytes) -> FileKind:
    """`FileKind.IMAGE` or `FileKind.RASTER`.

    Raises:
        UnreadableImage: any other file; the message names its format and what to do.
    """
    kind = sniff(source)
    if kind in (FileKind.IMAGE, FileKind.RASTER):
        return kind
    raise UnreadableImage(explain(source))
