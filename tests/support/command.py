"""The `dyad` command as tests run it: in processes of its own, on real files."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT = 120


@dataclass(frozen=True)
class Ran:
    """What a finished command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)

    @property
    def err_lines(self) -> list[str]:
        """The lines on stderr."""
        return self.err.splitlines()


@dataclass(frozen=True)
class Service:
    """A running `dyad serve`."""

    process: subprocess.Popen[str]
    url: str
    home: Path

    def end(self, signal_number: int) -> int:
        """Send a signal and wait; the exit code."""
        self.process.send_signal(signal_number)
        return self.process.wait(TIMEOUT)


Dyad = Callable[..., Ran]


@dataclass(frozen=True)
class Archive:
    """A home with the collection `shapes` of the pictures, and what indexing it printed."""

    home: Path
    result: dict[str, Any]
