"""What both clients share: settings of the connection, retries, and the reading of answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from app.client.core import FIRST_PAUSE, LONGEST_PAUSE, RETRIED, Answer, Call
from app.client.errors import ApiError

SECONDS, CONNECT_SECONDS = 300.0, 10.0


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a request that may be repeated is repeated, and how long to wait before."""

    most: int

    def pause(self, number: int, call: Call, answer: httpx.Response | None) -> float | None:
        """Seconds to wait before the attempt after `number`; None to give up. answer: None if there was none."""
        is_busy = answer is not None and answer.status_code in RETRIED
        if number >= self.most or not (is_busy or (answer is None and call.is_safe)):
            return None
        wanted = "" if answer is None else answer.headers.get("retry-after", "")
        return float(wanted) if wanted.isdecimal() else min(FIRST_PAUSE * 2**number, LONGEST_PAUSE)


def options(url: str, key: str | None, seconds: float) -> dict[str, Any]:
    """Arguments of an httpx client."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    timeout = httpx.Timeout(seconds, connect=CONNECT_SECONDS)
    return {"base_url": url.rstrip("/"), "headers": headers, "timeout": timeout}


def read(answer: httpx.Response) -> Answer:
    """The JSON of an answer."""
    try:
        return Answer(answer.status_code, answer.json() if answer.content else {})
    except ValueError:
        return Answer(answer.status_code, {})


def error_of(answer: httpx.Response) -> ApiError:
    """The error that an answer with a problem document stands for."""
    problem = read(answer).body
    return ApiError(answer.status_code, str(problem.get("detail") or answer.url.path), problem)
