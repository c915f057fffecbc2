"""Prometheus metrics of the HTTP side."""

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


class AskedCollector(Collector):
    """A gauge that is asked for at every scrape. ask: the numbers by the values of the labels."""

    def __init__(self, name: str, text: str, labels: Sequence[str], ask: Callable[[], Mapping[tuple[str, ...], int]]) -> None:
        self._name = name
        self._text = text
        self._labels = labels
        self._ask = ask

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing: nobody is asked before the first scrape."""
        return []

    @override
    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(self._name, self._text, labels=self._labels)
        try:
            found = self._ask()
        except Unavailable:
            return  # a gap says that nobody knows; zero would say that all is done
        for values, number in sorted(found.items()):
            family.add_metric(values, number)
        yield family


def jobs_collector(jobs: JobStore) -> Collector:
    """`dyad_jobs`: jobs that wait or run, by kind. Beyond `MAX_JOBS` they are not counted."""

    def ask() -> Mapping[tuple[str, ...], int]:
        return Counted((job.kind, str(job.status)) for job in jobs.list(status=ACTIVE, limit=MAX_JOBS))

    return AskedCollector("dyad_jobs", "Jobs that wait (accepted) or run", ["kind", "status"], ask)


def queues_collector(depths: Depths) -> Collector:
    """`dyad_queue_tasks`: messages that wait for a worker, by queue: jobs, chunks of ingests, queries."""

    def ask() -> Mapping[tuple[str, ...], int]:
        return {(queue,): number for queue, number in depths().items()}

    return AskedCollector("dyad_queue_tasks", "Tasks that no worker has taken yet", ["queue"], ask)


class Metrics:
    """A registry of its own, so that two services in one process do not mix.

    jobs, depths: how many wait is asked at every scrape; depths: of a cluster's queues.
    """

    def __init__(self, jobs: JobStore, depths: Depths | None = None) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(jobs_collector(jobs))
        if depths is not None:
            self.registry.register(queues_collector(depths))
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
