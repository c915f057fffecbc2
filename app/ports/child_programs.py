"""Programs of the learning side, which run as processes of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from app.ports.jobs import JobContext

Translate = Callable[[dict[str, Any]], dict[str, Any] | None]
"""Makes of an object that a program prints one with `progress`, `message`, `counts`, `result` or `error`; None: nothing."""


class RunChild(Protocol):
    """Runs a program of the learning side as a part of a job."""

    def __call__(
        self, context: JobContext, module: str, arguments: Sequence[str], *, folder: Path, translate: Translate | None = None
    ) -> dict[str, Any]:
        """Run `python -m module arguments` in `folder` until it ends, publish its progress, and return its result.

        It prints an object a line: `{"progress": percent, "message", "counts"}`, and last `{"result": {}}` or `{"error": ""}`.

        Raises:
            Cancelled, Interrupted: told to stop; the program has ended by then. DyadError: it failed.
        """


class AskChild(Protocol):
    """Asks a program of the learning side for an answer that it knows at once."""

    def __call__(self, module: str, arguments: Sequence[str]) -> dict[str, Any]:
        """Run `python -m module arguments`, which prints `{"result": {}}` or `{"error": ""}`; the result.

        Raises:
            InvalidInput: the program's own error. DyadError: it failed otherwise.
        """
