"""One row of a label file: the tiles to which it refers, and their labels."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from shapely.geometry.base import BaseGeometry

from app.domain.metadata import Label, Labels
from app.domain.naming.ids import check_item_id
from app.domain.tiles import MAX_LABEL_LENGTH, MAX_LABELS
from app.errors import InvalidInput

SEPARATOR = ";"
MAX_SHOWN = 120
_CACHED = 65_536
_GDAL_LIST = re.compile(r"\((\d{1,4}):(.*)\)", re.DOTALL)
_label: TypeAdapter[str] = TypeAdapter(Label)
_labels: TypeAdapter[tuple[str, ...]] = TypeAdapter(Labels)


@dataclass(frozen=True, slots=True)
class LabelRow:
    """A valid row; one of `id`, `name` and `place` is set.

    line: line number, from 1. labels: without repetition; an empty tuple means no labels, None means no change.
    id: of a tile. name: a source, or its last part. place: in lon/lat; a point matches the tiles that contain it, an area the
    tiles whose centre lies in it.
    """

    line: int
    labels: tuple[str, ...] | None
    id: str | None = None
    name: str | None = None
    place: BaseGeometry | None = None

    @property
    def target(self) -> str:
        """Text for messages that identifies the tiles."""
        if self.id is not None:
            return f"id {self.id}"
        if self.name is not None:
            return shown(self.name)
        return shown("" if self.place is None else self.place.wkt)


@dataclass(frozen=True, slots=True)
class RowNote:
    """A row without effect, and the reason. target: see `LabelRow.target`; empty if unknown."""

    line: int
    target: str
    reason: str


@lru_cache(_CACHED)
def one_label(value: str) -> tuple[str, ...]:
    """A single label, or none for an empty text.

    Raises:
        InvalidInput: not a valid label.
    """
    return _checked([value]) if value.strip() else ()


@lru_cache(_CACHED)
def label_list(value: str) -> tuple[str, ...]:
    """Labels separated by semicolons, as a JSON list, or as GDAL's text form of a list, `(2:a,b)`.

    Raises:
        InvalidInput: a label is not valid, or there are too many.
    """
    if listed := _GDAL_LIST.fullmatch(value.strip()):
        parts = listed[2].split(",") if listed[2] else []
        if len(parts) != int(listed[1]):
            raise InvalidInput(f"labels {shown(value)}: a GDAL list that was truncated; use a file format that supports lists")
        return _checked(parts)
    if value.lstrip().startswith("["):
        try:
            return label_values(json.loads(value))
        except (ValueError, RecursionError):
            raise InvalidInput(f"labels {shown(value)}: starts with [ but is not a JSON list of labels") from None
    return _checked([part for part in value.split(SEPARATOR) if part.strip()])


def label_values(value: Any, read: Callable[[str], tuple[str, ...]] = one_label) -> tuple[str, ...]:
    """Labels of a JSON value: null, a string (parsed by `read`), an integer (a class code), or a list of these.

    Raises:
        InvalidInput: another type, or a label that is not valid.
    """
    if value is None:
        return ()
    if isinstance(value, list):
        return joined(*map(label_values, value)) if value else ()
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise InvalidInput(f"label {shown(json.dumps(value))}: must be a string, an integer or a list of these")
    return read(value)


def joined(*parts: tuple[str, ...]) -> tuple[str, ...]:
    """All labels in order, without repetition.

    Raises:
        InvalidInput: more than `MAX_LABELS`.
    """
    labels = tuple(dict.fromkeys(label for part in parts for label in part))
    if len(labels) > MAX_LABELS:
        raise InvalidInput(f"{len(labels)} labels, more than the {MAX_LABELS} that a tile may have")
    return labels


def item_id(value: str) -> str | None:
    """A text as a canonical tile id; None if it is not a UUID."""
    try:
        return check_item_id(value)
    except InvalidInput:
        return None


def shown(text: str) -> str:
    """A text shortened for a message, with characters replaced that cannot be encoded as UTF-8."""
    short = text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."
    return short.encode("utf-8", "replace").decode()


def _checked(values: list[str]) -> tuple[str, ...]:
    try:
        return joined(_labels.validate_python(values))
    except ValidationError:
        wrong = next((value for value in values if not _is_label(value)), None)
        if wrong is None:
            raise InvalidInput(f"{len(values)} labels, more than the {MAX_LABELS} that a tile may have") from None
        raise InvalidInput(
            f"label {shown(wrong)!r}: a label has 1 to {MAX_LABEL_LENGTH} characters, without commas and control characters"
        ) from None


def _is_label(value: str) -> bool:
    try:
        _label.validate_python(value)
    except ValidationError:
        return False
    return True
