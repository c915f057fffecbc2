"""When schedules are due: by the library, on the clock of their zone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.domain.scheduling.cron import MACROS, Cron
from app.errors import Unprocessable

WEDNESDAY = datetime(2026, 7, 1, 12, 30, 45, 500_000, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def due_times(cron: Cron, after: datetime, count: int) -> list[datetime]:
    times = []
    for _ in range(count):
        found = cron.next_after(after)
        assert found is not None
        after = found
        times.append(after)
    return times


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 3 * * *", "2026-07-02T03:00"),
        ("*/15 * * * *", "2026-07-01T12:45"),
        ("  0   3  *  *  * ", "2026-07-02T03:00"),
        ("0 0 * * mon", "2026-07-06T00:00"),
        ("0 0 29 2 *", "2028-02-29T00:00"),
        ("0 0 1,15 * FRI", "2026-07-03T00:00"),  # as cron has it: either of the two
        ("@hourly", "2026-07-01T13:00"),
        ("@DAILY", "2026-07-02T00:00"),
        ("@weekly", "2026-07-05T00:00"),
        ("@monthly", "2026-08-01T00:00"),
        ("@yearly", "2027-01-01T00:00"),
    ],
)
def test_the_next_due_time(expression: str, expected: str) -> None:
    assert Cron.parse(expression).next_after(WEDNESDAY) == at(expected)


def test_a_due_time_is_strictly_after() -> None:
    due = at("2026-07-02T03:00")
    assert Cron.parse("0 3 * * *").next_after(due) == at("2026-07-03T03:00")


def test_every_macro_is_an_expression() -> None:
    assert all(
        Cron.parse(name).next_after(WEDNESDAY) == Cron.parse(text).next_after(WEDNESDAY) for name, text in MACROS.items()
    )


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "has 0 fields"),
        ("* * * *", "five are needed"),
        ("* * * * * *", "has 6 fields"),
        ("61 * * * *", "minute '61' is not valid; use 0-59"),
        ("0 24 * * *", "hour '24'"),
        ("0 0 0 * *", "day-of-month '0'"),
        ("0 0 * 13 *", "month '13'"),
        ("0 0 * * 8", "day-of-week '8'"),
        ("*/0 * * * *", "minute '*/0'"),
        ("0 0 ² * *", "day-of-month"),
        ("@reboot", "'@reboot' is not a known macro"),
        ("0 0 30 2 *", "never due: no month 2 has a day 30"),
        ("* * */20 * 1L", "never due"),
        ("9" * 5000 + " * * * *", "longer than"),
    ],
)
def test_what_is_wrong_is_said(expression: str, words: str) -> None:
    with pytest.raises(Unprocessable) as raised:
        Cron.parse(expression)
    assert words in str(raised.value)
    assert len(str(raised.value)) < 250
    assert [field.loc for field in raised.value.errors] == ["cron"]


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../../etc/passwd", "/etc/passwd", "America", "UTC\x00"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(Unprocessable, match="no time zone") as raised:
        Cron.parse("0 3 * * *", zone)
    assert [field.loc for field in raised.value.errors] == ["timezone"]


def test_the_zone_moves_with_summer_time() -> None:
    cron = Cron.parse("0 3 * * *", "Europe/Berlin")
    assert cron.next_after(at("2026-01-10T12:00")) == at("2026-01-11T02:00")
    assert cron.next_after(at("2026-07-10T12:00")) == at("2026-07-11T01:00")


def test_a_time_that_the_clock_leaps_over_is_due_right_after_the_leap() -> None:
    cron = Cron.parse("30 2 * * *", "Europe/Berlin")
    assert due_times(cron, at("2026-03-28T12:00"), 2) == [at("2026-03-29T01:00"), at("2026-03-30T00:30")]


def test_two_times_in_the_leap_are_due_once() -> None:
    cron = Cron.parse("15,45 2 * * *", "Europe/Berlin")
    assert due_times(cron, at("2026-03-28T12:00"), 2) == [at("2026-03-29T01:00"), at("2026-03-30T00:15")]


def test_a_time_that_comes_twice_is_due_once() -> None:
    cron = Cron.parse("30 2 * * *", "Europe/Berlin")
    assert due_times(cron, at("2026-10-24T12:00"), 2) == [at("2026-10-25T00:30"), at("2026-10-26T01:30")]
    in_second_passage = at("2026-10-25T01:10")
    assert cron.next_after(in_second_passage) == at("2026-10-26T01:30")


def test_hours_go_on_through_a_clock_change() -> None:
    cron = Cron.parse("0 * * * *", "Europe/Berlin")
    assert due_times(cron, at("2026-10-24T23:30"), 3) == [
        at("2026-10-25T00:00"),
        at("2026-10-25T01:00"),
        at("2026-10-25T02:00"),
    ]
