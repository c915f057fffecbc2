"""A clock for beat that does not change when the system clock is set."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

_BEGAN = datetime.now(UTC) - timedelta(seconds=time.monotonic())


def steady_now() -> datetime:
    """The time at the start of this process plus the monotonic time since then.

    Celery's beat compares the current time with the last run; if the system clock were set back by an hour, it would run
    nothing for an hour. See docs/cluster-internals.md.
    """
    return _BEGAN + timedelta(seconds=time.monotonic())
