"""Where log lines go: stderr, for people or (`DYAD_LOG_FORMAT=json`) one JSON object a line."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.domain.temporal import format_instant

if TYPE_CHECKING:
    from app.settings import Settings


class JsonFormatter(logging.Formatter):
    """time, level, logger, message and, where there is one, the exception."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line of JSON."""
        line = {
            "time": format_instant(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure_service_logs(settings: Settings) -> None:
    """Log everything from the settings' level on, but leave the libraries to their worries.

    Servers tell of their own starts and stops, and GDAL of every odd tag; what is wrong with a file is said in its job.
    """
    handler = logging.StreamHandler()
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else text)
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    if settings.log_level != "DEBUG":
        for name in ("uvicorn.error", "httpx"):
            logging.getLogger(name).setLevel(logging.WARNING)
        logging.getLogger("rasterio").setLevel(logging.ERROR)


def configure_command_logs() -> None:
    """Only errors: a command tells its user what matters itself."""
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(message)s")
