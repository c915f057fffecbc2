"""Logs of a command; those of the service are in `app.telemetry`."""

from __future__ import annotations

import logging


def configure_command_logs() -> None:
    """Log only errors: a command prints everything else itself."""
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(message)s")
