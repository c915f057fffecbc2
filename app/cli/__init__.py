"""The `dyad` command. Commands use one HTTP client (`app.cli.client`), in this process or of a running service."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import NoReturn

from app.cli.command_tree import build
from app.cli.logs import configure_command_logs
from app.cli.output import notice
from app.errors import DyadError

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command. Exit codes: 0 done, 1 failed (reason on stderr, one line), 2 wrong usage, 130 stopped by Ctrl-C."""
    configure_command_logs()
    signal.signal(signal.SIGTERM, _terminate)
    try:
        build()(prog_name="dyad")
    except DyadError as error:
        notice(f"dyad: {error}")
    except OSError as error:
        notice(f"dyad: {error.filename or ''}: {error.strerror or error}".replace(": :", ":"))
    sys.exit(1)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    """Exit through every `finally`, so that files and stores are closed."""
    sys.exit(128 + number)
