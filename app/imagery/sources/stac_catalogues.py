"""The Items of STAC catalogues, collections and item collections (GeoJSON). Callers fetch web documents: see `Open`."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pystac
from pystac.serialization import identify_stac_object_type

from app.domain.naming.urls import Url, is_url
from app.domain.scheduling.stac_selection import EVERYTHING, Conditions
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
from app.imagery.sources.stac_queries import accepts, item_search, may_contain, with_query

MAX_BYTES = 128 * 1024 * 1024
CATALOGUE = "STAC catalogue"
_BRANCHES = frozenset({str(pystac.RelType.CHILD), str(pystac.RelType.ITEM)})
_WEB_BRANCHES = _BRANCHES | {"items"}
"""On the web a Collection may link to its Items as a STAC API does, in pages."""
_NEXT = frozenset({"next"})

Place = Path | Url
"""The location of a document: a local file or a URL."""


class Open(Protocol):
    """Opens the target of a link."""

    def __call__(self, place: Place, body: bytes | None = None, /) -> tuple[Place, Path]:
        """Its resolved location, and a file with its content. body: JSON that is sent by POST; None for GET.

        Raises:
            DyadError: it may not be read.
        """


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


def list_stac_items(
    place: Place, document: dict[str, Any], open_: Open, *, web: bool = False, conditions: Conditions = EVERYTHING
) -> Iterator[Found]:
    """Yield the Items of a catalogue or collection with all its children, of an item collection, or of a STAC API.

    place, document: resolved location of the catalogue, and its JSON from `read_stac_catalogue`. web: whether local documents
    may link to the web; documents on the web never name local files. conditions: which Items are taken; a STAC API (the
    landing page, or one of its collections) is asked for these only.

    Raises:
        Unavailable: `open_` cannot open anything now.
    """
    return _Walk(open_, web, conditions).run(place, document)


class _Linked(NamedTuple):
    """A document to read.

    sent: conditions of an item search, which the link to the next page may add to. is_post: they are sent as body.
    """

    name: str
    place: Place
    sent: dict[str, Any]
    is_post: bool = False
    is_page: bool = False


class _Walk:
    """A traversal of linked documents; each document is read once."""

    def __init__(self, open_: Open, web: bool, conditions: Conditions) -> None:
        self._read = open_
        self._web = web
        self._conditions = conditions
        self._seen: set[tuple[Place, bytes | None]] = set()
        self._waiting: list[_Linked] = []

    def run(self, place: Place, document: Any) -> Iterator[Found]:
        self._seen.add((place, None))
        yield from self._open(str(place), place, document, {})
        while self._waiting:
            linked = self._waiting.pop()
            try:
                yield from self._opened(linked)
            except Unavailable:
                raise
            except DyadError as error:
                yield Found(linked.name, error)
            except OSError as error:
                yield Found(linked.name, InvalidInput(f"{linked.name} cannot be read: {error.strerror}"))

    def _opened(self, linked: _Linked) -> Iterator[Found]:
        body = json.dumps(linked.sent).encode() if linked.is_post else None
        real, path = self._read(linked.place, body)
        if (real, body) not in self._seen:
            self._seen.add((real, body))
            yield from self._open(linked.name, real, read_stac_document(path), linked.sent)
        elif linked.is_page:
            raise InvalidInput(
                f"{linked.name}: the link to the next page leads to a page that was read before; the rest is missing"
            )

    def _open(self, href: str, place: Place, document: Any, sent: dict[str, Any]) -> Iterator[Found]:
        kind = _kind(document)
        if _is_item_collection(document):
            for number, feature in enumerate(document["features"]):
                yield from self._found(f"feature {number}", feature, place)
            if isinstance(place, Url):
                yield from self._follow(document, place, _NEXT, sent)
        elif kind is pystac.STACObjectType.ITEM:
            yield from self._found(href, document, place)
        elif kind is None:
            raise InvalidInput(f"{href} is not a valid STAC catalogue, collection or Item")
        elif kind is pystac.STACObjectType.COLLECTION and not may_contain(self._conditions, document):
            return
        elif isinstance(place, Url) and (search := item_search(document, place, self._conditions)) is not None:
            self._waiting.append(_Linked(*self._target(search.href, place), search.body, search.is_post))
        else:
            yield from self._follow(document, place, _BRANCHES if isinstance(place, Path) else _WEB_BRANCHES, sent)

    def _follow(
        self, document: dict[str, Any], place: Place, branches: Collection[str], sent: dict[str, Any]
    ) -> Iterator[Found]:
        """Add the links of a document to the queue; yields errors."""
        try:
            links = [link for link in document.get("links", []) if str(link["rel"]) in branches]
            hrefs = [(self._narrowed(link), link) for link in links]
        except STAC_ERRORS as error:
            raise unreadable(CATALOGUE, error) from None
        for href, link in reversed(hrefs):
            try:
                self._waiting.append(self._linked(href, link, place, sent))
            except InvalidInput as error:
                yield Found(str(href), error)

    def _narrowed(self, link: dict[str, Any]) -> Any:
        href = link["href"]
        return with_query(href, self._conditions) if link["rel"] == "items" and isinstance(href, str) else href

    def _linked(self, href: Any, link: dict[str, Any], place: Place, sent: dict[str, Any]) -> _Linked:
        """The document that a link leads to. sent: the conditions of the request for the document with the link."""
        method, is_page, body = str(link.get("method", "GET")).upper(), link["rel"] in _NEXT, link.get("body")
        if method == "GET":
            return _Linked(*self._target(href, place), sent, is_page=is_page)
        if method != "POST" or not is_page or not isinstance(body, dict):
            raise InvalidInput(
                f"a link of the {CATALOGUE} requires the method {method}, which is not supported; supported are GET, and POST "
                "with a `body` for the next page"
            )
        body = {**sent, **body} if link.get("merge") is True else body
        return _Linked(*self._target(href, place), body, is_post=True, is_page=True)

    def _target(self, href: Any, place: Place) -> tuple[str, Place]:
        """The name and location that an href leads to."""
        what = f"a link of the {CATALOGUE}"
        if isinstance(place, Url):
            url = Url.parse(place.join(quote_spaces(text_of(href, what))), allow_query=True)
        elif self._web and is_url(text_of(href, what)):
            url = Url.parse(quote_spaces(href), allow_query=True)
        else:
            return href, local_path(href, place.parent, what)
        return url.public(), url

    def _found(self, name: str, document: Any, place: Place) -> Iterator[Found]:
        base = place if isinstance(place, Url) else place.parent
        found = _found(name, partial(parse_stac_item, document, base, self._web))
        if isinstance(found.item, DyadError) or accepts(self._conditions, found.item):
            yield found


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
