"""CSV of labels in the dialects that spreadsheets write, and rows that are none."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.domain.places.geometry import bbox_footprint
from app.domain.tiles import MAX_LABELS, Tile
from app.errors import Unprocessable
from app.services.labels.csv_files import read_csv, write_csv
from app.services.labels.rows import LabelRow, RowNote

ID = "5f3e0c52-6d0c-5c7e-b0a2-0a4c6e0e6d11"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "labels.csv"


def rows(path: Path, text: str | bytes) -> list[LabelRow | RowNote]:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return list(read_csv(path))


def row(path: Path, text: str | bytes) -> LabelRow:
    (only,) = rows(path, text)
    assert isinstance(only, LabelRow), only
    return only


def note(path: Path, text: str | bytes) -> RowNote:
    (only,) = rows(path, text)
    assert isinstance(only, RowNote), only
    return only


def test_rows_name_tiles_in_every_way(path: Path) -> None:
    read = rows(
        path, f"id,source,file_name,lon,lat,label\n{ID.upper()},,,,,a\n,f/x.jpg,x.jpg,,,b\n,,x.jpg,1,2,c\n,,,8.5,-47.25,d\n"
    )
    assert [(each.line, each.id, each.name) for each in read if isinstance(each, LabelRow)] == [
        (2, ID, None),
        (3, None, "f/x.jpg"),
        (4, None, "x.jpg"),
        (5, None, None),
    ]
    last = read[-1]
    assert isinstance(last, LabelRow)
    assert last.place is not None
    assert last.place.wkt == "POINT (8.5 -47.25)"


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        (f"id,label\n{ID},sparse forest\n", ("sparse forest",)),
        (f"id,label\n{ID}, harbour \n", ("harbour",)),
        (f"id,label\n{ID},a;b\n", ("a;b",)),
        (f"id,labels\n{ID},a; b;a;;c\n", ("a", "b", "c")),
        (f'id,labels\n{ID},"[""a;b"", ""c""]"\n', ("a;b", "c")),
        (f"id,label,labels\n{ID},x,a;x\n", ("x", "a")),
        (f"id,labels\n{ID},\n", ()),
        (f"id,label,labels\n{ID},,\n", ()),
        (f"id,label\n{ID},\n", None),
        (f'id,labels\n{ID},"(2:water,sparse forest)"\n', ("water", "sparse forest")),
        (f"id,labels\n{ID},(1:field)\n", ("field",)),
        (f"id,labels\n{ID},(0:)\n", ()),
        (f"id,label\n{ID},(1:field)\n", ("(1:field)",)),
    ],
)
def test_labels_of_a_cell(path: Path, text: str, labels: tuple[str, ...] | None) -> None:
    assert row(path, text).labels == labels


@pytest.mark.parametrize(
    "text",
    [
        f"id,labels\r\n{ID},été;Straße\r\n",
        f"\ufeffid;labels\r\n{ID};été;Straße\r\n".replace("été;Straße", '"été;Straße"'),
        f"id\tlabels\n{ID}\tété;Straße\n",
        f'"ID" , "Labels"\n"{ID}","été;Straße"\n'.replace('" , "', '","'),
        f"sep=;\r\nlabels;id\r\nété;{ID}\r\n".replace("été;", '"été;Straße";'),
        f"id,labels,remark\n{ID},été;Straße,\n\n\n",
        f"id,labels\n{ID},été;Straße",
        f"id,labels,remark\n{ID},été;Straße,,,\n",
    ],
)
def test_dialects(path: Path, text: str) -> None:
    read = row(path, text)
    assert (read.id, read.labels) == (ID, ("été", "Straße"))


def test_utf16_as_excel_writes_it(path: Path) -> None:
    read = row(path, f"id\tlabel\r\n{ID}\tété\r\n".encode("utf-16"))
    assert (read.id, read.labels) == (ID, ("été",))


def test_decimal_commas_beside_semicolons(path: Path) -> None:
    place = row(path, "lon;lat;label\n8,5;47,25;a\n").place
    assert place is not None
    assert place.wkt == "POINT (8.5 47.25)"


def test_an_id_of_another_kind_steps_back_for_a_place(path: Path) -> None:
    assert row(path, "id,longitude,latitude,label\n17,1,2,a\n").place is not None
    assert "is not a tile id" in note(path, "id,label\n17,a\n").reason


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (f"id,label\n{ID},a,b\n", 2, "3 fields in 2 columns; quote"),
        (f"id,label\n{ID}\n", 2, "1 fields in 2 columns"),
        ("file_name,label\n,a\n", 2, "no tile is given"),
        ("lon,lat,label\n200,1,a\n", 2, "must be degrees"),
        ("lon,lat,label\nnan,1,a\n", 2, "must be degrees"),
        ("lon,lat,label\n1,,a\n", 2, "no tile is given"),
        (f'id,label\n\n{ID},"a,b"\n', 3, "without commas and control characters"),
        (f'id,label\n{ID},"a\nb"\n', 2, "without commas and control characters"),
        (f"id,label\n{ID},{'x' * 129}\n", 2, "1 to 128 characters"),
        (f"id,labels\n{ID},{';'.join(map(str, range(MAX_LABELS + 1)))}\n", 2, f"more than the {MAX_LABELS}"),
        (f'id,labels\n{ID},"(3:a,b...)"\n', 2, "was truncated"),
        (f"id,labels\n{ID},[1\n", 2, "is not a JSON list"),
        (f"id,labels\n{ID},[1.5]\n", 2, "a string, an integer"),
        (f"id,label\n{ID},".encode() + b"\xe9t\xe9\n", 2, "not UTF-8"),
        (b"file_name,label\n\xff.jpg,a\n", 2, "not UTF-8"),
    ],
)
def test_what_cannot_be_understood_is_noted_with_its_line(path: Path, text: str | bytes, line: int, reason: str) -> None:
    found = note(path, text)
    assert found.line == line
    assert reason in found.reason
    found.target.encode()
    found.reason.encode()


def test_a_quotation_mark_that_is_never_closed_fails_only_its_rows(path: Path) -> None:
    tail = f"{ID},b\n" * 10_000
    read = rows(path, f'id,label\n{ID},a\n{ID},"oops\n{tail}')
    assert isinstance(read[0], LabelRow)
    assert isinstance(read[1], RowNote)
    assert (read[1].line, "is not closed" in read[1].reason) == (3, True)
    assert isinstance(read[-1], LabelRow)


def test_a_line_without_end_fills_no_memory_and_is_no_row(path: Path) -> None:
    read = rows(path, f"id,label\n{ID},{'x' * (3 << 20)}\n{ID},a\n")
    assert all(isinstance(each, RowNote) for each in read[:-1])
    assert isinstance(read[-1], LabelRow)


@pytest.mark.parametrize(
    "text",
    ["", "\n", "a,b\n1,2\n", "id\n1\n", "label\na\n", "lon,label\n1,a\n", "\x89PNG\r\n\x1a\n", "id|label\n1|a\n", '"id,label'],
)
def test_other_columns_are_refused(path: Path, text: str) -> None:
    with pytest.raises(Unprocessable, match="must name the columns"):
        rows(path, text)


def test_half_a_character_is_refused(path: Path) -> None:
    with pytest.raises(Unprocessable, match="save it as CSV UTF-8"):
        rows(path, f"id\tlabel\r\n{ID}\tété\r\n".encode("utf-16")[:-1])


def test_what_is_written_is_read_back(path: Path) -> None:
    def tile(number: int, *labels: str, place: list[float] | None = None) -> Tile:
        return Tile(
            id=f"5f3e0c52-6d0c-5c7e-b0a2-{number:012}",
            source=f'dir/"{number}", x.jpg',
            file_name=f'"{number}", x.jpg',
            content_hash="ab",
            image="x",
            indexed_at=datetime(2024, 1, 1, tzinfo=UTC),
            labels=labels,
            geometry=None if place is None else bbox_footprint(place),
        )

    tiles = [tile(0), tile(1, "a", "b c"), tile(2, "semi;colon", "ö"), tile(3, "[x"), tile(4, "a", place=[179, 10, -179, 11])]
    path.write_bytes(b"".join(write_csv([tiles[:3], tiles[3:]])))
    assert path.read_text().splitlines()[0] == "id,file_name,lon,lat,labels"
    assert path.read_text().splitlines()[5].split(",")[-3:] == ["-180.0", "10.5", "a"]
    read = list(read_csv(path))
    assert [(each.id, each.labels) for each in read if isinstance(each, LabelRow)] == [(each.id, each.labels) for each in tiles]
