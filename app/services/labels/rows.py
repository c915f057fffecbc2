"""One row of a file of labels: which tiles it means and what they are."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from shapely.geometry.base import BaseGeometry

from app.domain.ids import check_item_id
from app.domain.metadata import Label, Labels
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
    """A row that can be understood; one of `id`, `name` and `place` is given.

    line: of the file, from 1. labels: without repetition; an empty tuple says that there are none, None says nothing of them.
    id: a tile's. name: a source, or the last part of one. place: in lon/lat; points mean the tiles that contain one, areas the
    tiles whose centre lies in them.
    """

    line: int
    labels: tuple[str, ...] | None
    id: str | None = None
    name: str | None = None
    place: BaseGeometry | None = None

    @property
    def target(self) -> str:
        """What it names, for people."""
        if self.id is not None:
            return f"id {self.id}"
        if self.name is not None:
            return shown(self.name)
        return shown("" if self.place is None else self.place.wkt)


@dataclass(frozen=True, slots=True)
class RowNote:
    """A row that changed nothing, and why. target: what it names, as far as that is known."""

    line: int
    target: str
    reason: str


@lru_cache(_CACHED)
def one_label(value: str) -> tuple[str, ...]:
    """A single label; none of an empty text.

    Raises:
        InvalidInput: it cannot be a label.
    """
    return _checked([value]) if value.strip() else ()


@lru_cache(_CACHED)
def label_list(value: str) -> tuple[str, ...]:
    """Labels separated by semicolons, or as a JSON list, or as GDAL writes a list where a format has none: `(2:a,b)`.

    Raises:
        InvalidInput: one cannot be a label, or there are too many.
    """
    if listed := _GDAL_LIST.fullmatch(value.strip()):
        parts = listed[2].split(",") if listed[2] else []
        if len(parts) != int(listed[1]):
            raise InvalidInput(f"labels {shown(value)}: a list of GDAL's that was cut short; use a format that has lists")
        return _checked(parts)
    if value.lstrip().startswith("["):
        try:
            return label_values(json.loads(value))
        except (ValueError, RecursionError):
            raise InvalidInput(f"labels {shown(value)}: begins like a JSON list, but is none") from None
    return _checked([part for part in value.split(SEPARATOR) if part.strip()])


def label_values(value: Any, read: Callable[[str], tuple[str, ...]] = one_label) -> tuple[str, ...]:
    """Labels of a JSON value: nothing, a text (read by `read`), a whole number (a class code), or a list of those.

    Raises:
        InvalidInput: something else, or one cannot be a label.
    """
    if value is None:
        return ()
    if isinstance(value, list):
        return joined(*map(label_values, value)) if value else ()
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise InvalidInput(f"label {shown(json.dumps(value))}: a text, a whole number or a list of those is needed")
    return read(value)


def joined(*parts: tuple[str, ...]) -> tuple[str, ...]:
    """All labels in order, each once.

    Raises:
        InvalidInput: there are too many.
    """
    labels = tuple(dict.fromkeys(label for part in parts for label in part))
    if len(labels) > MAX_LABELS:
        raise InvalidInput(f"{len(labels)} labels, more than the {MAX_LABELS} that a tile may have")
    return labels


def item_id(value: str) -> str | None:
    """The id that a text is, as ids are written; None if it is no UUID."""
    try:
        return check_item_id(value)
    except InvalidInput:
        return None


def shown(text: str) -> str:
    """A text of any origin, short enough for a message, and one that can be sent."""
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
            f"label {shown(wrong)!r}: 1 to {MAX_LABEL_LENGTH} characters are a label, commas and control characters are not"
        ) from None


def _is_label(value: str) -> bool:
    try:
        _label.validate_python(value)
    except ValidationError:
        return False
    return True
