"""Labels as CSV: reads the usual dialects, writes one."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from shapely.geometry import Point

from app.domain.places.geometry import footprint_centre
from app.domain.tiles import Tile
from app.errors import InvalidInput, Unprocessable
from app.services.labels.rows import SEPARATOR, LabelRow, RowNote, item_id, joined, label_list, one_label, shown

DELIMITERS = (",", ";", "\t")
COLUMNS = ("id", "file_name", "lon", "lat", "labels")
"""Columns of the export."""
NAMES = {"longitude": "lon", "latitude": "lat", "filename": "file_name"}
KNOWN = {"id", "lon", "lat", "source", "file_name", "label", "labels"}
MAX_LINE = 1 << 20
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def read_csv(path: Path) -> Iterator[LabelRow | RowNote]:
    """The rows of a CSV file in order; an invalid row is returned as a note with the reason.

    The first row names the columns: `id`, or `source` or `file_name`, or `lon` and `lat`; and `label` or `labels`. If a row
    fills several, the first of these counts. Separators are commas, semicolons or tabs; text is UTF-8 or Excel's Unicode text
    (UTF-16).

    Raises:
        Unprocessable: columns are missing.
    """
    with path.open(encoding=_encoding(path), errors="surrogateescape", newline="") as file:
        try:
            yield from _rows(file)
        except UnicodeDecodeError as error:
            raise Unprocessable(f"the CSV is not {error.encoding.upper()}; save it as CSV UTF-8") from None


def write_csv(pages: Iterable[Sequence[Tile]]) -> Iterator[bytes]:
    """Write tiles as CSV, which `read_csv` reads back to the same labels; yields one piece per page.

    lon, lat: centre of the footprint. labels: separated by semicolons, or a JSON list if a label contains a semicolon.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for tiles in pages:
        for tile in tiles:
            place = ("", "") if tile.geometry is None else footprint_centre(tile.geometry)
            writer.writerow((tile.id, tile.file_name, *place, _cell(tile.labels)))
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue().encode()


@dataclass(frozen=True, slots=True)
class _Table:
    """The columns of a file. at: index of each known column by name. width: number of columns."""

    delimiter: str
    at: dict[str, int]
    width: int

    @classmethod
    def of(cls, header: str) -> _Table:
        tables = [cls._split(header, delimiter) for delimiter in DELIMITERS]
        table = max(tables, key=lambda table: len(table.at))
        has_target = {"id", "source", "file_name"} & table.at.keys() or {"lon", "lat"} <= table.at.keys()
        if not has_target or not {"label", "labels"} & table.at.keys():
            raise Unprocessable(
                "the first row of the CSV must name the columns: `id`, or `file_name` or `source`, or `lon` and `lat`; and"
                " `label`, or `labels` separated by semicolons"
            )
        return table

    @classmethod
    def _split(cls, header: str, delimiter: str) -> _Table:
        try:
            cells = next(csv.reader([header], delimiter=delimiter), [])
        except csv.Error:
            cells = []
        names = [NAMES.get(name, name) for name in (cell.strip().lower() for cell in cells)]
        at = {name: index for index, name in reversed(list(enumerate(names))) if name in KNOWN}
        return cls(delimiter, at, len(cells))

    def read(self, line: int, cells: Sequence[str]) -> LabelRow | RowNote:
        """Read one row."""
        try:
            return self._understood(line, cells)
        except InvalidInput as error:
            return RowNote(line, shown(", ".join(filter(None, cells))), str(error))

    def _understood(self, line: int, cells: Sequence[str]) -> LabelRow:
        if len(cells) > self.width and any(cells[self.width :]):
            raise InvalidInput(f"{len(cells)} fields in {self.width} columns; quote fields that contain the separator")
        if len(cells) <= max(self.at.values()):
            raise InvalidInput(f"{len(cells)} fields in {self.width} columns")
        fields = {name: cells[index].strip() for name, index in self.at.items()}
        if not all(field.isascii() or _is_text(field) for field in fields.values()):
            raise InvalidInput("not UTF-8; save the file as CSV UTF-8")
        labels = self._labels(fields)
        if found := item_id(fields.get("id", "")):
            return LabelRow(line, labels, id=found)
        if name := fields.get("source") or fields.get("file_name"):
            return LabelRow(line, labels, name=name)
        if fields.get("lon") and fields.get("lat"):
            return LabelRow(line, labels, place=self._point(fields["lon"], fields["lat"]))
        if fields.get("id"):
            raise InvalidInput("`id` is not a tile id, which is a UUID")
        raise InvalidInput("no tile is given: fill `id`, `file_name`, `source`, or `lon` and `lat`")

    def _labels(self, fields: Mapping[str, str]) -> tuple[str, ...] | None:
        """An empty `labels` means no labels; an empty `label` without `labels` means None: the labels do not change."""
        single = one_label(fields.get("label", ""))
        return joined(single, label_list(fields["labels"])) if "labels" in fields else single or None

    def _point(self, *texts: str) -> Point:
        """Parse coordinates; a decimal comma is accepted unless commas separate the fields."""
        try:
            lon, lat = (float(text if self.delimiter == "," else text.replace(",", ".")) for text in texts)
        except ValueError:
            lon = lat = math.nan
        if not (-180 <= lon <= 180 and -90 <= lat <= 90):
            raise InvalidInput("`lon` and `lat` must be degrees (WGS 84), -180 to 180 and -90 to 90")
        return Point(lon, lat)


def _rows(file: IO[str]) -> Iterator[LabelRow | RowNote]:
    lines = _lines(file)
    before, header = 1, next(lines, "")
    if header.lower().startswith("sep="):  # a line for Excel
        before, header = 2, next(lines, "")
    table = _Table.of(header)
    reader = csv.reader(lines, delimiter=table.delimiter)
    while True:
        line = before + reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield RowNote(line, "", f"cannot be read ({error}); check for a quotation mark that is not closed")
            continue
        if cells is None:
            return
        if any(cells):
            yield table.read(line, cells)


def _cell(labels: tuple[str, ...]) -> str:
    is_plain = not any(SEPARATOR in label or label.startswith("[") for label in labels)
    return SEPARATOR.join(labels) if is_plain else json.dumps(labels, ensure_ascii=False)


def _is_text(value: str) -> bool:
    """Whether the text was valid UTF-8; other bytes are decoded as lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        return "utf-16" if file.read(2) in _UTF16 else "utf-8-sig"


def _lines(file: IO[str]) -> Iterator[str]:
    """The lines of a file; a line longer than `MAX_LINE` is split into parts, which are invalid rows."""
    while line := file.readline(MAX_LINE):
        yield line
