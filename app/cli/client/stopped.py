"""The signal of a stopped command. It imports nothing heavy, so that `--help` is fast."""

from __future__ import annotations


class Stopped(Exception):
    """Ctrl-C stopped the work. kept: at least this many tiles were indexed or unchanged; they stay in the collection."""

    def __init__(self, kept: int = 0) -> None:
        super().__init__(f"{kept} tiles kept")
        self.kept = kept
