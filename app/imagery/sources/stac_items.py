"""Parses STAC Items: geometry, time, properties, and the images that they reference. Fetches nothing."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pystac
from pydantic import TypeAdapter, ValidationError
from pystac.errors import STACError, STACTypeError

from app.domain.metadata import Label
from app.domain.naming.urls import Url, is_url
from app.domain.places.geometry import GeoJSON, parse_footprint
from app.errors import InvalidInput
from app.imagery.sources.file_kinds import MAX_STAC_BYTES
from app.imagery.sources.stac_assets import StacImage, image_of, why_not_imagery

_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+:")
_LABEL: TypeAdapter[str] = TypeAdapter(Label)
STAC_ERRORS = (STACError, STACTypeError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)


@dataclass(frozen=True, slots=True)
class StacItem:
    """The fields of an Item that Dyad uses.

    geometry: in WGS 84, checked. datetime: its `datetime`, or the start of its range, aware UTC. labels: its property of that
    name. properties: the Item's, without those two. images: its assets that are imagery; a local path may be missing, and the
    caller checks whether it may be read. collection: id of its STAC Collection.
    """

    id: str
    geometry: GeoJSON | None
    datetime: datetime | None
    labels: tuple[str, ...] = ()
    properties: dict[str, Any] = field(default_factory=dict)
    images: tuple[StacImage, ...] = ()
    collection: str | None = None

    @property
    def assets(self) -> list[tuple[str, Path]]:
        """Keys and paths of the local images."""
        return [(image.key, image.path) for image in self.images if image.path is not None]

    @property
    def urls(self) -> list[tuple[str, str]]:
        """Keys and URLs of the images on the web."""
        return [(image.key, image.url) for image in self.images if image.url is not None]


def read_stac_item(path: Path, url: str | None = None, web: bool = False) -> StacItem:
    """Read an Item. url: where it was fetched from, if it was. web: whether its images may be on the web.

    Raises:
        InvalidInput: not a valid Item, or it references images that are not local files, or none.
    """
    return parse_stac_item(read_stac_document(path), path.resolve().parent if url is None else Url.parse(url), web)


def read_stac_document(path: Path, what: str = "STAC Item", max_bytes: int = MAX_STAC_BYTES) -> Any:
    """The JSON of a STAC file. what: the expected document, for error messages.

    Raises:
        InvalidInput: too large, or not JSON. OSError: it cannot be read.
    """
    if path.stat().st_size > max_bytes:
        raise InvalidInput(f"the {what} is larger than the limit of {max_bytes >> 20} MiB")
    try:
        text = path.read_text(encoding="utf-8-sig")
        try:
            return json.loads(text, parse_constant=_refuse_constant)
        except json.JSONDecodeError as error:
            if error.msg != "Extra data":
                raise
            return _item_lines(text)
    except (ValueError, RecursionError) as error:
        raise unreadable(what, error) from None


def parse_stac_item(document: Any, base: Path | Url, web: bool = False) -> StacItem:
    """Parse an Item. base: its resolved folder or its URL, the base of relative hrefs.

    Raises:
        InvalidInput: see `read_stac_item`.
    """
    try:
        item = pystac.Item.from_dict(document, preserve_dict=False)
        when = item.datetime or item.common_metadata.start_datetime
    except STAC_ERRORS as error:
        raise unreadable("STAC Item", error) from None
    images = _images(item, base, web)
    properties = {key: value for key, value in item.properties.items() if key not in ("datetime", "labels")}
    return StacItem(
        id=str(item.id),
        geometry=None if item.geometry is None else parse_footprint(item.geometry),
        datetime=None if when is None else (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC),
        labels=_labels(item.properties.get("labels")),
        properties=properties,
        images=images,
        collection=None if item.collection_id is None else str(item.collection_id),
    )


def local_path(href: Any, folder: Path, what: str) -> Path:
    """The local file of an href, relative to `folder`. what: owner of the href, for error messages.

    Raises:
        InvalidInput: it is not text, or not a local file.
    """
    if not _SCHEME.match(text_of(href, what)):
        path = folder / str(href)
        decoded = folder / unquote(str(href))
        return decoded if decoded != path and not path.exists() and decoded.exists() else path
    parts = urlsplit(href)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Path(unquote(parts.path))
    raise InvalidInput(f"{what} is at {href[:200]}; only local files are read: download it and make the href relative")


def text_of(href: Any, what: str) -> str:
    """Check that an href is non-empty text. what: owner of the href, for error messages.

    Raises:
        InvalidInput: it is not text, or empty.
    """
    if not isinstance(href, str) or not href or "\x00" in href:
        raise InvalidInput(f"{what} has no usable href")
    return href


def unreadable(what: str, error: Exception) -> InvalidInput:
    """The error for a document that the STAC library does not accept."""
    return InvalidInput(f"not a {what} ({str(error)[:200] or type(error).__name__})")


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _labels(value: Any) -> tuple[str, ...]:
    """The valid labels of a list of texts."""
    found = []
    for text in value if isinstance(value, list) else ():
        with suppress(ValidationError):
            found.append(_LABEL.validate_python(text.replace(",", " ") if isinstance(text, str) else text, strict=True))
    return tuple(dict.fromkeys(found))


def _item_lines(text: str) -> dict[str, Any]:
    """An item collection from one JSON object in each line (NDJSON)."""
    features = [json.loads(line, parse_constant=_refuse_constant) for line in text.splitlines() if line.strip()]
    return {"type": "FeatureCollection", "features": features}


def _images(item: pystac.Item, base: Path | Url, web: bool) -> tuple[StacImage, ...]:
    """The local images, and those on the web. An Item from the web never references local files."""
    images: list[StacImage] = []
    reasons: list[str] = []
    for key, asset in item.assets.items():
        reason = why_not_imagery(key, asset)
        if reason is not None:
            reasons.append(f"{key!r}: {reason}")
            continue
        what = f"asset {key!r} of the STAC Item"
        if isinstance(base, Url):
            images.append(image_of(key, asset, None, base.join(quote_spaces(text_of(asset.href, what)))))
        elif web and is_url(text_of(asset.href, what)):
            images.append(image_of(key, asset, None, quote_spaces(asset.href)))
        else:
            images.append(image_of(key, asset, Path(os.path.normpath(local_path(asset.href, base, what))), None))
    if not images:
        why = f": {'; '.join(reasons[:5])}" if reasons else ": it has no assets"
        raise InvalidInput(f"the STAC Item references no image{why}")
    return tuple(images)


def quote_spaces(href: str) -> str:
    """The href with its spaces percent-encoded."""
    return href.strip().replace(" ", "%20")
