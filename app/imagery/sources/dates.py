"""The acquisition time of a scene, from its tags or its file name; never the modification time, which copying changes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

FIRST_YEAR = 1900
_ACQUIRED = ("ACQUISITIONDATETIME", "ACQUISITION_DATETIME", "ACQUISITION_DATE", "ACQUISITIONDATE", "DATE_ACQUIRED")
_DATE = r"(?P<year>(?:19|20)\d\d)(?P<sep>[-_.]?)(?P<month>\d\d)(?P=sep)(?P<day>\d\d)"
_TIME = r"(?:[T_\- ]?(?P<hour>\d\d)[:-]?(?P<minute>\d\d)[:-]?(?P<second>\d\d)(?:\.\d+)?)?"
_CALENDAR = re.compile(rf"(?<!\d){_DATE}{_TIME}(?!\d)")
_ORDINAL = re.compile(r"(?:(?<=[._]A)|(?<=^A))(?P<year>(?:19|20)\d\d)(?P<ordinal>\d{3})(?!\d)")
_YEAR = re.compile(r"(?:19|20)\d\d")


def acquired(tags: Mapping[str, str], name: str) -> datetime | None:
    """The acquisition time of a scene as an aware UTC datetime, or None if it is unknown.

    tags: of the file, in all its domains. name: of the file, folders allowed before it.

    Order: an acquisition tag, a full date in the name, the TIFF's own date (which many programs set to the time of writing), a
    name that is only a year. Dates before 1900 or in the future are ignored.
    """
    folded = {key.upper(): value for key, value in tags.items()}
    for key in _ACQUIRED:
        found = _from_text(folded.get(key, ""))
        if found is not None:
            return found
    stem = name.replace("\\", "/").rsplit("/", 1)[-1].split(".tif")[0].split(".TIF")[0]
    return (
        _search(_CALENDAR, stem)
        or _search(_ORDINAL, stem)
        or _from_text(folded.get("TIFFTAG_DATETIME", ""))
        or _bare_year(stem)
    )


def _from_text(text: str) -> datetime | None:
    """Parse RFC 3339 or the TIFF format `2015:06:01 10:11:12`."""
    text = text.strip()
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        return _search(_CALENDAR, re.sub(r"^(\d{4}):(\d\d):(\d\d)", r"\1-\2-\3", text))
    return _plausible(value if value.tzinfo else value.replace(tzinfo=UTC))


def _search(pattern: re.Pattern[str], text: str) -> datetime | None:
    """The first plausible date in a text; satellite products name the acquisition before the processing."""
    for match in pattern.finditer(text):
        parts = {key: int(value) for key, value in match.groupdict().items() if value and key != "sep"}
        ordinal = parts.pop("ordinal", None)
        if ordinal is not None and not 1 <= ordinal <= 366:
            continue
        try:
            value = datetime(
                parts["year"],
                parts.get("month", 1),
                parts.get("day", 1),
                parts.get("hour", 0),
                parts.get("minute", 0),
                parts.get("second", 0),
                tzinfo=UTC,
            )
        except ValueError:
            continue
        found = _plausible(value + timedelta(days=(ordinal or 1) - 1))
        if found is not None:
            return found
    return None


def _bare_year(stem: str) -> datetime | None:
    return _plausible(datetime(int(stem), 1, 1, tzinfo=UTC)) if _YEAR.fullmatch(stem) else None


def _plausible(value: datetime) -> datetime | None:
    try:
        value = value.astimezone(UTC)
    except OverflowError:
        return None
    latest = datetime.now(UTC) + timedelta(days=1)
    return value if value.year >= FIRST_YEAR and value <= latest else None
