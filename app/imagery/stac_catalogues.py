"""The Items of local STAC catalogues, collections and item collections (GeoJSON). Nothing is fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pystac
from pystac.serialization import identify_stac_object_type

from app.errors import DyadError, InvalidInput
from app.imagery.sources import FileKind, sniff
from app.imagery.stac import STAC_ERRORS, StacItem, local_path, parse_stac_item, read_stac_document, unreadable

MAX_BYTES = 128 * 1024 * 1024
CATALOGUE = "STAC catalogue"
_BRANCHES = (pystac.RelType.CHILD, pystac.RelType.ITEM)


class Found(NamedTuple):
    """An Item of a catalogue, or why one, or a whole branch, cannot be read.

    name: `collection/id` of the Item, or just its id; for what cannot be read, the href or number it was found by.
    """

    name: str
    item: StacItem | DyadError


def read_stac_catalogue(path: Path) -> dict[str, Any] | None:
    """The JSON of a catalogue, a collection or an item collection; None for any other file, such as a single Item.

    Raises:
        InvalidInput: it is too large, or no JSON after all. OSError: it cannot be read.
    """
    if sniff(path) is not FileKind.STAC:
        return None
    document = read_stac_document(path, CATALOGUE, MAX_BYTES)
    is_one = _is_item_collection(document) or _kind(document) not in (pystac.STACObjectType.ITEM, None)
    return document if is_one else None


def list_stac_items(path: Path, document: dict[str, Any], allowed: Callable[[Path], Path]) -> Iterator[Found]:
    """The Items of a catalogue or a collection with all below it, or of an item collection.

    path, document: of a catalogue, links followed, and what `read_stac_catalogue` made of it. allowed: gives the real path of a
    file that a link names, or raises a `DyadError`.
    """
    if not _is_item_collection(document):
        yield from _Walk(allowed).run(path, document)
        return
    for number, feature in enumerate(document["features"]):
        yield _found(f"feature {number}", partial(parse_stac_item, feature, path.parent))


class _Walk:
    """One walk through a tree of links; a file is looked at once, however often it is linked."""

    def __init__(self, allowed: Callable[[Path], Path]) -> None:
        self._allowed = allowed
        self._seen: set[Path] = set()
        self._waiting: list[tuple[str, Path]] = []

    def run(self, path: Path, document: Any) -> Iterator[Found]:
        self._seen.add(path)
        yield from self._open(str(path), path, document)
        while self._waiting:
            href, linked = self._waiting.pop()
            try:
                real = self._allowed(linked)
                if real not in self._seen:
                    self._seen.add(real)
                    yield from self._open(href, real, read_stac_document(real))
            except DyadError as error:
                yield Found(href, error)
            except OSError as error:
                yield Found(href, InvalidInput(f"{href} cannot be read: {error.strerror}"))

    def _open(self, href: str, path: Path, document: Any) -> Iterator[Found]:
        kind = _kind(document)
        if kind is pystac.STACObjectType.ITEM:
            yield _found(href, partial(parse_stac_item, document, path.parent))
        elif kind is None:
            raise InvalidInput(f"{href}: no STAC catalogue, collection or Item that can be read")
        else:
            yield from self._follow(document, path.parent)

    def _follow(self, document: dict[str, Any], folder: Path) -> Iterator[Found]:
        """Note where the links of a catalogue or collection lead."""
        try:
            links = [(str(link["rel"]), link["href"]) for link in document.get("links", [])]
        except STAC_ERRORS as error:
            raise unreadable(CATALOGUE, error) from None
        for href in (href for rel, href in reversed(links) if rel in _BRANCHES):
            try:
                self._waiting.append((href, local_path(href, folder, "a link of the STAC catalogue")))
            except InvalidInput as error:
                yield Found(str(href), error)


def _found(name: str, read: Callable[[], StacItem]) -> Found:
    try:
        item = read()
    except InvalidInput as error:
        return Found(name, error)
    return Found("/".join(filter(None, (item.collection, item.id))), item)


def _is_item_collection(document: Any) -> bool:
    is_collection = isinstance(document, dict) and document.get("type") == "FeatureCollection"
    return is_collection and isinstance(document.get("features"), list)


def _kind(document: Any) -> pystac.STACObjectType | None:
    """Catalogue, collection or Item; None for anything else."""
    try:
        return identify_stac_object_type(document)
    except STAC_ERRORS:
        return None
