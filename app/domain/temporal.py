"""Instants and intervals as STAC and OGC API write them (RFC 3339, `..` for an open end)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from app.errors import InvalidInput

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class Interval:
    """A closed interval of UTC instants; None is an open end. At least one end is set."""

    start: datetime | None
    end: datetime | None


def parse_instant(text: str) -> datetime:
    """Parse one RFC 3339 date-time (a bare date is its midnight UTC) into an aware UTC datetime.

    Raises:
        InvalidInput: the text is not a date-time.
    """
    try:
        value = datetime.fromisoformat(text.strip().upper())
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(f"datetime {text!r}: write it as RFC 3339, for example 2020-08-31T00:00:00Z") from None


def check_rfc3339(text: str) -> None:
    """Check that an instant or interval is exactly as RFC 3339 defines it, which STAC APIs demand.

    Raises:
        InvalidInput: it is not, for example a bare date, or a time without a zone.
    """
    parts = text.split("/")
    is_open = len(parts) == 2
    if not all((is_open and part in ("", "..")) or _RFC3339.fullmatch(part) for part in parts):
        raise InvalidInput(
            f"datetime {text!r}: write it as RFC 3339, for example 2020-08-31T00:00:00Z, or as an interval of two"
        )


def parse_interval(text: str) -> Interval:
    """Parse `instant`, `start/end`, `../end` or `start/..`; a bare date as an end means its last second.

    Raises:
        InvalidInput: malformed, both ends open, or the end before the start.
    """
    parts = text.split("/")
    if len(parts) > 2:
        raise InvalidInput(f"datetime {text!r}: an interval has one '/', for example 2019-01-01/2020-12-31")
    first, last = parts[0].strip(), parts[-1].strip()
    start = None if first in ("", "..") else parse_instant(first)
    end = None if last in ("", "..") else _end_of(last)
    if start is None and end is None:
        raise InvalidInput(f"datetime {text!r}: at least one end of an interval must be given")
    if start is not None and end is not None and end < start:
        raise InvalidInput(f"datetime {text!r}: the interval ends before it starts")
    return Interval(start, end)


def _end_of(text: str) -> datetime:
    value = parse_instant(text)
    is_bare_date = len(text) <= 10
    return value.replace(hour=23, minute=59, second=59, microsecond=999999) if is_bare_date else value


def format_instant(value: datetime) -> str:
    """Write an aware datetime as RFC 3339 UTC with a `Z`; microseconds only where there are any."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
