"""Types and constants that commands and the client share. It imports nothing heavy, so that `--help` is fast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

Document = dict[str, Any]
LabelMode = Literal["add", "replace"]
ProgressCallback = Callable[[float, str], None]
"""Called with the progress in percent, 0 to 100, and one line for a person."""

POLL_SECONDS = 0.2
ENDED = ("successful", "failed", "dismissed")


class Stopped(Exception):
    """Ctrl-C stopped the work. kept: at least this many tiles were indexed or unchanged; they stay in the collection."""

    def __init__(self, kept: int = 0) -> None:
        super().__init__(f"{kept} tiles kept")
        self.kept = kept
