"""Programs of `models`, which run as child processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from app.ports.jobs import JobContext

Translate = Callable[[dict[str, Any]], dict[str, Any] | None]
"""Converts an object that a program prints to one with `progress`, `message`, `counts`, `result` or `error`; None to skip
it.
"""


class RunChild(Protocol):
    """Runs a program as a part of a job."""

    def __call__(
        self, context: JobContext, module: str, arguments: Sequence[str], *, folder: Path, translate: Translate | None = None
    ) -> dict[str, Any]:
        """Run `python -m module arguments` in `folder` until it ends, publish its progress, and return its result.

        It prints one object per line: `{"progress": percent, "message", "counts"}`, and last `{"result": {}}` or
        `{"error": ""}`.

        Raises:
            Cancelled, Interrupted: the job has to stop; the program has ended by then. DyadError: it failed.
        """


class AskChild(Protocol):
    """Runs a program that answers within seconds, outside of jobs."""

    def __call__(self, module: str, arguments: Sequence[str]) -> dict[str, Any]:
        """Run `python -m module arguments`, which prints `{"result": {}}` or `{"error": ""}`; return the result.

        Raises:
            InvalidInput: the program's own error. DyadError: it failed otherwise.
        """
