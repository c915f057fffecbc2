"""The Items of STAC catalogues, collections and item collections (GeoJSON). Callers fetch web documents: see `Open`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pystac
from pystac.serialization import identify_stac_object_type

from app.domain.urls import Url, is_url
from app.errors import DyadError, InvalidInput, Unavailable
from app.imagery.sources.file_kinds import FileKind, sniff
from app.imagery.sources.stac_items import (
    STAC_ERRORS,
    StacItem,
    local_path,
    parse_stac_item,
    quote_spaces,
    read_stac_document,
    text_of,
    unreadable,
)

MAX_BYTES = 128 * 1024 * 1024
CATALOGUE = "STAC catalogue"
_BRANCHES = frozenset({str(pystac.RelType.CHILD), str(pystac.RelType.ITEM)})
_WEB_BRANCHES = _BRANCHES | {"items"}
"""On the web a Collection may link to its Items as a STAC API does, in pages."""
_NEXT = frozenset({"next"})

Place = Path | Url
"""The location of a document: a local file or a URL."""
Open = Callable[[Place], tuple[Place, Path]]
"""Returns the resolved location of a link, and a file with its content; raises a `DyadError` if it may not be read."""


class Found(NamedTuple):
    """An Item of a catalogue, or the error of an Item or a branch that cannot be read.

    name: `collection/id` of the Item, or just its id; for an error, the href or number of the Item or branch.
    """

    name: str
    item: StacItem | DyadError


def read_stac_catalogue(path: Path) -> dict[str, Any] | None:
    """The JSON of a catalogue, a collection or an item collection; None for any other file, such as a single Item.

    Raises:
        InvalidInput: it is too large, or not JSON. OSError: it cannot be read.
    """
    if sniff(path) is not FileKind.STAC:
        return None
    document = read_stac_document(path, CATALOGUE, MAX_BYTES)
    is_one = _is_item_collection(document) or _kind(document) not in (pystac.STACObjectType.ITEM, None)
    return document if is_one else None


def list_stac_items(place: Place, document: dict[str, Any], open_: Open, *, web: bool = False) -> Iterator[Found]:
    """Yield the Items of a catalogue or collection with all its children, or of an item collection.

    place, document: resolved location of the catalogue, and its JSON from `read_stac_catalogue`. web: whether local documents
    may link to the web; documents on the web never name local files.

    Raises:
        Unavailable: `open_` cannot open anything now.
    """
    return _Walk(open_, web).run(place, document)


class _Walk:
    """A traversal of linked documents; each document is read once."""

    def __init__(self, open_: Open, web: bool) -> None:
        self._read = open_
        self._web = web
        self._seen: set[Place] = set()
        self._waiting: list[tuple[str, Place]] = []

    def run(self, place: Place, document: Any) -> Iterator[Found]:
        self._seen.add(place)
        yield from self._open(str(place), place, document)
        while self._waiting:
            href, linked = self._waiting.pop()
            try:
                real, path = self._read(linked)
                if real not in self._seen:
                    self._seen.add(real)
                    yield from self._open(href, real, read_stac_document(path))
            except Unavailable:
                raise
            except DyadError as error:
                yield Found(href, error)
            except OSError as error:
                yield Found(href, InvalidInput(f"{href} cannot be read: {error.strerror}"))

    def _open(self, href: str, place: Place, document: Any) -> Iterator[Found]:
        kind = _kind(document)
        if _is_item_collection(document):
            for number, feature in enumerate(document["features"]):
                yield self._found(f"feature {number}", feature, place)
            if isinstance(place, Url):
                yield from self._follow(document, place, _NEXT)
        elif kind is pystac.STACObjectType.ITEM:
            yield self._found(href, document, place)
        elif kind is None:
            raise InvalidInput(f"{href} is not a valid STAC catalogue, collection or Item")
        else:
            yield from self._follow(document, place, _BRANCHES if isinstance(place, Path) else _WEB_BRANCHES)

    def _follow(self, document: dict[str, Any], place: Place, branches: Collection[str]) -> Iterator[Found]:
        """Add the links of a document to the queue; yields errors."""
        try:
            links = [link for link in document.get("links", []) if str(link["rel"]) in branches]
            hrefs = [(link["href"], str(link.get("method", "GET")).upper()) for link in links]
        except STAC_ERRORS as error:
            raise unreadable(CATALOGUE, error) from None
        for href, method in reversed(hrefs):
            try:
                self._waiting.append(self._linked(href, method, place))
            except InvalidInput as error:
                yield Found(str(href), error)

    def _linked(self, href: Any, method: str, place: Place) -> tuple[str, Place]:
        """The name and location of a link."""
        what = f"a link of the {CATALOGUE}"
        if method != "GET":
            raise InvalidInput(f"{what} requires the method {method}, which is not supported; only GET is")
        if isinstance(place, Url):
            url = Url.parse(place.join(quote_spaces(text_of(href, what))), allow_query=True)
        elif self._web and is_url(text_of(href, what)):
            url = Url.parse(quote_spaces(href), allow_query=True)
        else:
            return href, local_path(href, place.parent, what)
        return url.public(), url

    def _found(self, name: str, document: Any, place: Place) -> Found:
        base = place if isinstance(place, Url) else place.parent
        return _found(name, partial(parse_stac_item, document, base, self._web))


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
    """The STAC type of a document: catalogue, collection or Item; None for anything else."""
    try:
        return identify_stac_object_type(document)
    except STAC_ERRORS:
        return None
