"""What a command logs; the service's own logs are in `app.telemetry`."""

from __future__ import annotations

import logging


def configure_command_logs() -> None:
    """Only errors: a command tells its user what matters itself."""
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(message)s")
