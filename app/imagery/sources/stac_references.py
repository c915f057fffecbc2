"""The files that a STAC document refers to, by name, so that they are read with it and not on their own."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

from app.errors import DyadError
from app.imagery.sources.file_kinds import FileKind, sniff
from app.imagery.sources.stac_items import read_stac_document

STAC_ENDINGS = (".json", ".geojson", ".ndjson")


def kind_of_document(path: Path) -> Literal["item", "items", "catalogue"] | None:
    """Whether a file is a STAC Item, an item collection, or a catalogue or collection; None for any other file."""
    if not path.name.lower().endswith(STAC_ENDINGS):
        return None
    return _kind(_document(path))


def referenced_names(path: Path, name: str) -> Iterator[str]:
    """The source names of the files that the assets of a STAC Item, or of an item collection, refer to relatively.

    path: of the document. name: its source name, `folder/item.json`.
    """
    document = _document(path)
    kind = _kind(document)
    if document is None or kind not in ("item", "items"):
        return
    for item in document["features"] if kind == "items" else [document]:
        assets = item.get("assets") if isinstance(item, dict) else None
        for asset in assets.values() if isinstance(assets, dict) else ():
            href = asset.get("href") if isinstance(asset, dict) else None
            if isinstance(href, str) and href and "://" not in href:
                for text in {href, unquote(href)}:
                    yield relative_name(name, text)


def relative_name(name: str, href: str) -> str:
    """The source name of the file that an href in the document `name` means: `a/item.json`, `./b.tif`: `a/b.tif`."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), href))


def _document(path: Path) -> dict[str, Any] | None:
    """The JSON object of a STAC file; None for any other file."""
    try:
        document = read_stac_document(path) if sniff(path) is FileKind.STAC else None
    except (DyadError, OSError):
        return None
    return document if isinstance(document, dict) else None


def _kind(document: dict[str, Any] | None) -> Literal["item", "items", "catalogue"] | None:
    if document is None:
        return None
    if document.get("type") == "FeatureCollection" and isinstance(document.get("features"), list):
        return "items"
    if document.get("type") in ("Catalog", "Collection"):
        return "catalogue"
    return "item" if document.get("type") == "Feature" else None
