"""Prometheus metrics of HTTP requests, jobs and queues."""

from __future__ import annotations

import time
from collections import Counter as Counted
from collections.abc import Callable, Iterator, Mapping, Sequence

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


class ScrapeGauge(Collector):
    """A gauge that is read at every scrape. read: returns the numbers by label values."""

    def __init__(self, name: str, text: str, labels: Sequence[str], read: Callable[[], Mapping[tuple[str, ...], int]]) -> None:
        self._name = name
        self._text = text
        self._labels = labels
        self._read = read

    def describe(self) -> list[GaugeMetricFamily]:
        """No description: nothing is read before the first scrape."""
        return []

    @override
    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(self._name, self._text, labels=self._labels)
        try:
            found = self._read()
        except Unavailable:
            return  # a gap means unknown; zero would mean that nothing waits
        for values, number in sorted(found.items()):
            family.add_metric(values, number)
        yield family


def jobs_collector(jobs: JobStore) -> Collector:
    """`dyad_jobs`: waiting and running jobs by kind and status; counts at most `MAX_JOBS`."""

    def read() -> Mapping[tuple[str, ...], int]:
        return Counted((job.kind, str(job.status)) for job in jobs.list(status=ACTIVE, limit=MAX_JOBS))

    return ScrapeGauge("dyad_jobs", "Jobs that wait (accepted) or run", ["kind", "status"], read)


def queues_collector(depths: Depths) -> Collector:
    """`dyad_queue_tasks`: tasks that wait for a worker, by queue: jobs, chunks of ingests, queries."""

    def read() -> Mapping[tuple[str, ...], int]:
        return {(queue,): number for queue, number in depths().items()}

    return ScrapeGauge("dyad_queue_tasks", "Tasks that wait for a worker", ["queue"], read)


class Metrics:
    """The metrics of one service, in a separate registry: a process can run two services.

    jobs: the job store. depths: returns the length of each queue of a cluster.
    """

    def __init__(self, jobs: JobStore, depths: Depths | None = None) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(jobs_collector(jobs))
        if depths is not None:
            self.registry.register(queues_collector(depths))
        ProcessCollector(registry=self.registry)
        labels = ("method", "route")
        self.requests = Counter("dyad_requests_total", "HTTP requests", (*labels, "status"), registry=self.registry)
        self.seconds = Histogram(
            "dyad_request_seconds", "Time to answer a request", labels, buckets=BUCKETS, registry=self.registry
        )


class MetricsMiddleware:
    """Counts and times requests by route template, so that identifiers in paths create no time series.

    Written here because the metric names and the separate registry differ from those of ready-made exporters.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and record its status and time."""
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
