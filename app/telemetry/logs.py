"""Logs on stderr: text, or one JSON object per line (`DYAD_LOG_FORMAT=json`), with the IDs of request, job and trace."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime

from typing_extensions import override

from app.domain.origin import origin
from app.domain.temporal import format_instant
from app.settings import Settings

FIELDS = ("request_id", "job_id", "trace_id")
_SECRET = re.compile(r"([?&][^=&\s]*(?:key|access_token|signature|secret|password)=)[^&\s]+", re.IGNORECASE)


class OriginFilter(logging.Filter):
    """Adds `request_id`, `job_id` and `trace_id` to every record; None outside a request, job or trace."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        now = origin()
        record.request_id, record.job_id = now.request_id, now.job_id
        record.trace_id = None if now.traceparent is None else now.traceparent.split("-")[1]
        return True


class SecretsFilter(logging.Filter):
    """Removes signatures and keys from the URLs in the access log."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_SECRET.sub(r"\1...", arg) if isinstance(arg, str) else arg for arg in record.args)
        return True


class JsonFormatter(logging.Formatter):
    """Formats a record as a JSON object: time, level, logger, message, and the IDs and exception if present.

    Written here: a JSON log library would be a dependency for these 15 lines.
    """

    @override
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": format_instant(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update(_ids(record))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """Formats a record as a line of text with the IDs at the end."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    @override
    def formatMessage(self, record: logging.LogRecord) -> str:
        ids = " ".join(f"{name}={value}" for name, value in _ids(record).items())
        return super().formatMessage(record) + (f" [{ids}]" if ids else "")


def _ids(record: logging.LogRecord) -> dict[str, str]:
    return {name: value for name in FIELDS if (value := getattr(record, name, None)) is not None}


def configure_service_logs(settings: Settings) -> None:
    """Log from the level of the settings on.

    Unless the level is DEBUG, Uvicorn and httpx log warnings only, and GDAL errors only: jobs report problems of files.
    """
    handler = logging.StreamHandler()
    handler.addFilter(OriginFilter())
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else TextFormatter())
    logging.getLogger("uvicorn.access").addFilter(SecretsFilter())
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    if settings.log_level != "DEBUG":
        for name in ("uvicorn.error", "httpx"):
            logging.getLogger(name).setLevel(logging.WARNING)
        logging.getLogger("rasterio").setLevel(logging.ERROR)
