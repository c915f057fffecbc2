"""Prometheus metrics of the HTTP side."""

from __future__ import annotations

import time
from collections import Counter as Counted
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from typing_extensions import override

from app.domain.jobs import ACTIVE
from app.errors import Unavailable
from app.ports import JobStore

Depths = Callable[[], Mapping[str, int]]
MAX_JOBS = 10_000
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class JobsCollector(Collector):
    """`dyad_jobs`: jobs that wait or run, by kind. Beyond `MAX_JOBS` they are not counted."""

    def __init__(self, jobs: JobStore) -> None:
        self._jobs = jobs

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing: the store is not asked before the first scrape."""
        return []

    @override
    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily("dyad_jobs", "Jobs that wait (accepted) or run", labels=["kind", "status"])
        try:
            found = Counted((job.kind, job.status) for job in self._jobs.list(status=ACTIVE, limit=MAX_JOBS))
        except Unavailable:
            return  # a gap says that nobody knows; zero would say that all is done
        for (kind, status), number in sorted(found.items()):
            family.add_metric([kind, status], number)
        yield family


class QueuesCollector(Collector):
    """`dyad_queue_tasks`: messages that wait for a worker, by queue: jobs, chunks of ingests, queries."""

    def __init__(self, depths: Depths) -> None:
        self._depths = depths

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing: the broker is not asked before the first scrape."""
        return []

    @override
    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily("dyad_queue_tasks", "Tasks that no worker has taken yet", labels=["queue"])
        try:
            for queue, number in self._depths().items():
                family.add_metric([queue], number)
        except Unavailable:
            return
        yield family


class Metrics:
    """A registry of its own, so that two services in one process do not mix.

    jobs, depths: how many wait is asked at every scrape; depths: of a cluster's queues.
    """

    def __init__(self, jobs: JobStore, depths: Depths | None = None) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(JobsCollector(jobs))
        if depths is not None:
            self.registry.register(QueuesCollector(depths))
        ProcessCollector(registry=self.registry)
        labels = ("method", "route")
        self.requests = Counter("dyad_requests_total", "Requests", (*labels, "status"), registry=self.registry)
        self.seconds = Histogram("dyad_request_seconds", "Time to answer", labels, buckets=BUCKETS, registry=self.registry)


class MetricsMiddleware:
    """Counts and times every request under its route's template, so that ids do not multiply the series."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and note its status and time."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), 500

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(scope["method"], route, status).inc()
            self._metrics.seconds.labels(scope["method"], route).observe(time.perf_counter() - start)
