"""Prometheus metrics of searches, ingests, index checks and jobs in this process. HTTP metrics are in `app.api`."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from app.telemetry.gpu import GpuCollector

REGISTRY = CollectorRegistry()
STAGES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
JOBS = (0.1, 1, 10, 60, 300, 1800, 7200, 43_200)

STAGE_SECONDS = Histogram(
    "dyad_search_stage_seconds", "Time of each stage of a search", ["stage"], buckets=STAGES, registry=REGISTRY
)
TILES_INDEXED = Counter("dyad_tiles_indexed_total", "Tiles that were indexed and flushed to disk", registry=REGISTRY)
FILES_REJECTED = Counter("dyad_files_rejected_total", "Files that could not be indexed", registry=REGISTRY)
GATE_VERDICTS = Counter(
    "dyad_gate_verdicts_total",
    "Checks of new index versions",
    ["verdict"],
    registry=REGISTRY,
)
JOB_SECONDS = Histogram(
    "dyad_job_seconds", "Time of a run of a job, by outcome", ["kind", "outcome"], buckets=JOBS, registry=REGISTRY
)
REGISTRY.register(GpuCollector())
