"""Cron expressions: due times of a schedule in its time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from app.errors import FieldError, Unprocessable

MAX_LENGTH = 256
MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
FIELDS = {
    "minute": "0-59",
    "hour": "0-23",
    "day-of-month": "1-31",
    "month": "1-12 or JAN-DEC",
    "day-of-week": "0-7 or SUN-SAT",
}
_FIRST = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Cron:
    """A valid expression of five fields, or one of `MACROS`, and the IANA name of its time zone.

    Daylight saving time is handled as in Debian's cron: a time that is skipped is due right after the change, a time that
    occurs twice is due the first time.
    """

    expression: str
    timezone: str = "UTC"

    @classmethod
    def parse(cls, expression: str, timezone: str = "UTC") -> Cron:
        """Parse and check an expression and a time zone.

        Raises:
            Unprocessable: an unknown zone, or an expression that is not valid or never due; the message explains the error.
        """
        try:
            _zone(timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise _wrong("timezone", f"no time zone {timezone!r}; use a name such as UTC or Europe/Berlin") from None
        cron = cls(" ".join(expression.split()), timezone)
        cron._check()
        return cron

    def next_after(self, instant: datetime) -> datetime | None:
        """The first due time after an aware instant, aware UTC; None if there is none within 50 years."""
        times = CronSim(self._fields, instant.astimezone(_zone(self.timezone)))
        # In the hour that occurs twice the library starts with the first occurrence, which may be over.
        return next((due for due in (time.astimezone(UTC) for time in times) if due > instant), None)

    @property
    def _fields(self) -> str:
        return MACROS.get(self.expression.lower(), self.expression)

    def _check(self) -> None:
        shown = self.expression if len(self.expression) <= 40 else self.expression[:40] + "..."
        if len(self.expression) > MAX_LENGTH:
            raise _wrong("cron", f"{shown!r} is longer than {MAX_LENGTH} characters")
        if self.expression.startswith("@") and self.expression.lower() not in MACROS:
            raise _wrong("cron", f"{shown!r} is not a known macro; use one of {', '.join(MACROS)}, or five fields")
        fields = self._fields.split()
        if len(fields) != len(FIELDS):
            raise _wrong("cron", f"{shown!r} has {len(fields)} fields; five are needed: {' '.join(FIELDS)}, as in '0 3 * * *'")
        try:
            due = self.next_after(_FIRST)
        except CronSimError as error:
            raise _wrong("cron", f"{shown!r}: {_what_is_wrong(str(error), fields)}") from None
        if due is None:
            raise _wrong("cron", f"{shown!r} is never due: no date within 50 years fits its days and months")


def _what_is_wrong(message: str, fields: list[str]) -> str:
    """Explain an error of the library. message: such as `Bad day-of-month`."""
    name = message.removeprefix("Bad ")
    if name == "day-of-month" and _is_understood([*fields[:3], "*", fields[4]]):
        return f"never due: no month {fields[3]} has a day {fields[2]}"
    text = fields[list(FIELDS).index(name)][:40]
    return f"the {name} {text!r} is not valid; use {FIELDS[name]}, combined with * , - /"


def _is_understood(fields: list[str]) -> bool:
    try:
        CronSim(" ".join(fields), _FIRST)
    except CronSimError:
        return False
    return True


def _wrong(field: str, message: str) -> Unprocessable:
    return Unprocessable(f"{field}: {message}", [FieldError(field, message)])


def _zone(name: str) -> tzinfo:
    """The time zone of a name; `datetime.UTC` for UTC, with which the library is faster."""
    return UTC if name == "UTC" else ZoneInfo(name)
