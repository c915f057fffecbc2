"""The metrics of a worker: its processes write them to files, and the process above them answers Prometheus for all."""

from __future__ import annotations

import shutil
from collections.abc import MutableMapping
from pathlib import Path

from app.settings import Settings

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The client library's own variable; it looks at it when it is imported."""


def prepare_metrics(settings: Settings, environment: MutableMapping[str, str], process_id: int) -> None:
    """Have the processes of a worker that is started with this environment share their metrics, if anybody is to see them."""
    if settings.metrics_address:
        folder = Path(settings.home).resolve() / f"metrics-{process_id}"
        shutil.rmtree(folder, ignore_errors=True)  # of an earlier process of that number
        folder.mkdir(parents=True)
        environment[FOLDER] = str(folder)


def serve_metrics(settings: Settings) -> int | None:
    """Answer at the address that the settings name, in a thread; its port, None if they name none.

    Raises:
        OSError: the address cannot be had.
    """
    if not settings.metrics_address:
        return None
    from prometheus_client import CollectorRegistry, start_http_server
    from prometheus_client.multiprocess import MultiProcessCollector

    from app.telemetry.gpu import GpuCollector

    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    registry.register(GpuCollector())
    host, _, port = settings.metrics_address.rpartition(":")
    server, _ = start_http_server(int(port), host.strip("[]"), registry)
    return int(server.server_port)
