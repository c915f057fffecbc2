"""Metrics of a worker: its processes write them to files, and the parent process serves them all to Prometheus."""

from __future__ import annotations

import shutil
from collections.abc import MutableMapping
from pathlib import Path

from app.settings import Settings

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Variable of the Prometheus client library, which reads it at import."""


def prepare_metrics(settings: Settings, environment: MutableMapping[str, str], process_id: int) -> None:
    """Let the processes of a worker with this environment share their metrics, if DYAD_METRICS_ADDRESS is set."""
    if settings.metrics_address:
        folder = Path(settings.home).resolve() / f"metrics-{process_id}"
        shutil.rmtree(folder, ignore_errors=True)  # left by an earlier process with this ID
        folder.mkdir(parents=True)
        environment[FOLDER] = str(folder)


def serve_metrics(settings: Settings) -> int | None:
    """Serve the metrics at DYAD_METRICS_ADDRESS, in a thread; return the port, or None if the setting is empty.

    Raises:
        OSError: the address cannot be bound.
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
