from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.settings import load_settings
from worker.steady_clock import steady_now

SETTINGS = {
    "DYAD_BROKER_URL": "redis://127.0.0.1:1/0",
    "DYAD_VECTORS_URL": "http://127.0.0.1:1",
    "DYAD_BLOBS_URL": "file:///nowhere",
}


def test_it_advances_with_the_monotonic_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    assert abs(steady_now() - datetime.now(UTC)) < timedelta(minutes=1)
    monkeypatch.setattr("worker.steady_clock.time.monotonic", lambda: 100.0)
    before = steady_now()
    monkeypatch.setattr("worker.steady_clock.time.monotonic", lambda: 160.0)
    assert steady_now() - before == timedelta(minutes=1)


def test_beat_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    from worker.celery_app import make_app

    app = make_app(load_settings(SETTINGS))
    schedules = [entry["schedule"] for entry in app.conf.beat_schedule.values()]
    assert len(schedules) == 3
    assert all(schedule.nowfun is steady_now for schedule in schedules)
    app.close()
