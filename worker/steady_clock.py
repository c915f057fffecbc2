"""A clock for beat that nobody can put forward or back."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

_BEGAN = datetime.now(UTC) - timedelta(seconds=time.monotonic())


def steady_now() -> datetime:
    """The time of day when this process began, and what has passed since.

    Celery's beat compares the present with its last beat; a clock that was put back an hour would silence it for one.
    """
    return _BEGAN + timedelta(seconds=time.monotonic())
