"""Chooses and opens the adapters of a process: embedded ones, or those of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from app.cluster.inference.remote_inference import RemoteQueries
from app.cluster.models.shared_models import SharedModels
from app.cluster.shared_folders import SharedFolders
from app.domain.naming.urls import is_url
from app.errors import HomeInUse, StartupError
from app.inference.bundle_trial import try_bundle
from app.inference.local_models import LocalModels, OpenBundle
from app.ports import Blobs, JobHandler, JobQueue, JobStore, Locks, VectorStore
from app.queue.local_queue import LocalQueue
from app.services.ingest.chunks import Helpers
from app.services.ingest.incoming.read_policy import ReadPolicy
from app.services.jobs.callbacks import Callbacks
from app.services.jobs.folders import JobFolders
from app.settings import Settings
from app.stores.blobs.object_blobs import ObjectBlobs
from app.stores.home import Home
from app.stores.local_locks import LocalLocks
from app.stores.sqlite_jobs import SqliteJobStore
from app.stores.vectors.edge.edge_store import EdgeVectorStore
from app.stores.web.named_files import NamedFiles

if TYPE_CHECKING:
    from app.cluster.celery.broker import Broker

Lanes = Mapping[str, Mapping[str, JobHandler]]
LANE_THREADS = {"index": 2}
"""Jobs that run at the same time in the embedded queue, by lane: a long ingest does not block other collections."""
SLOTS = 1000
WORKER_PATIENCE = 90.0
"""Seconds for which a worker retries an unavailable Redis; requests fail at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapters:
    """The adapters of one process.

    start: starts to run jobs in this process, None if workers run them. stop: interrupts them, without waiting.
    helpers: workers that share ingests, None without a cluster. queries: workers that embed queries, None if this process does
    it. broker: the queues of tasks in a cluster. notes: what is damaged in the job store.
    """

    vectors: VectorStore
    blobs: Blobs
    job_store: JobStore
    locks: Locks
    folders: JobFolders
    queue: JobQueue
    callbacks: Callbacks
    start: Callable[[Lanes], None] | None = None
    stop: Callable[[], None] | None = None
    helpers: Helpers | None = None
    queries: RemoteQueries | None = None
    broker: Broker | None = None
    notes: Callable[[], list[str]] = list


def open_home(settings: Settings, url: str | None) -> Home:
    """Open the state folder; in a cluster a subfolder of this process, whose content is temporary.

    Raises:
        HomeInUse, HomeTooNew, StartupError: see `Home`.
    """
    if not settings.broker_url:
        return Home(settings.home, url)
    for number in range(SLOTS):
        try:
            return Home(settings.home / f"process-{number}", url)
        except HomeInUse:
            continue
    raise StartupError(f"{settings.home}: {SLOTS} processes use this folder already; give each machine its own DYAD_HOME")


def open_adapters(settings: Settings, home: Home, *, is_worker: bool) -> Adapters:
    """Open the adapters that the settings select. is_worker: whether the process runs jobs of a cluster."""
    return _cluster_adapters(settings, home, is_worker=is_worker) if settings.broker_url else _embedded_adapters(settings, home)


def open_models(settings: Settings, home: Home, adapters: Adapters, opening: OpenBundle) -> LocalModels | SharedModels:
    """Open the models of this machine or of the cluster. opening: opens model bundles, unless workers embed queries."""
    if adapters.queries is not None:
        opening = adapters.queries.open
    if settings.broker_url:  # one cache for all processes of this machine
        cache = settings.home.absolute() / "shared-models"
        return SharedModels(adapters.blobs, adapters.locks, cache, settings.threads, opening=opening, trial=try_bundle)
    return LocalModels(home.models, settings.threads, opening=opening, trial=try_bundle)


def open_read_policy(settings: Settings) -> ReadPolicy:
    """The folders and addresses that the service may read, with the adapter that reads addresses."""
    return ReadPolicy(tuple(Path(root) for root in settings.read_roots if not is_url(root)), remote=_open_remote(settings))


def _open_remote(settings: Settings) -> NamedFiles | None:
    urls = [root for root in settings.read_roots if is_url(root)]
    return NamedFiles(urls, settings.read_networks) if urls else None


def _embedded_adapters(settings: Settings, home: Home) -> Adapters:
    store = SqliteJobStore(home.jobs)
    folders = JobFolders(home.staging)
    callbacks = Callbacks(store, _open_remote(settings))

    def end(job_id: str) -> None:
        folders.delete(job_id)
        callbacks.ended(job_id)

    queue = LocalQueue(store, on_end=end, threads=LANE_THREADS)
    vectors = _qdrant(settings) if settings.vectors_url else EdgeVectorStore(home.vectors)
    blobs = ObjectBlobs(settings.blobs_url or home.blobs, settings.blobs_public_url)
    return Adapters(
        vectors=vectors,
        blobs=blobs,
        job_store=store,
        locks=LocalLocks(),
        folders=folders,
        queue=queue,
        callbacks=callbacks,
        start=queue.start,
        stop=queue.stop,
        notes=store.notes,
    )


def _cluster_adapters(settings: Settings, home: Home, *, is_worker: bool) -> Adapters:
    from app.cluster.celery.broker import Broker
    from app.cluster.celery.celery_queue import CeleryQueue
    from app.cluster.celery.journal import Journal
    from app.cluster.redis.client import connect
    from app.cluster.redis.redis_jobs import RedisJobStore
    from app.cluster.redis.redis_locks import RedisLocks

    patience = WORKER_PATIENCE if is_worker else 0.0
    blobs = ObjectBlobs(settings.blobs_url, settings.blobs_public_url)
    store = RedisJobStore(connect(settings.broker_url, patience))
    locks = RedisLocks(connect(settings.broker_url))
    queue = CeleryQueue(settings.broker_url, store, locks, Journal(blobs))
    folders = SharedFolders(home.staging, blobs)
    helpers = Helpers(locks, queue.send_chunks, settings.chunk_files)
    queries = _queries(settings, queue.send_task) if settings.inference == "remote" and not is_worker else None
    broker = Broker(connect(settings.broker_url))
    return Adapters(
        vectors=_qdrant(settings),
        blobs=blobs,
        job_store=store,
        locks=locks,
        folders=folders,
        queue=queue,
        callbacks=Callbacks(store, _open_remote(settings)),
        helpers=helpers,
        queries=queries,
        broker=broker,
    )


def _queries(settings: Settings, send_task: Callable[..., object]) -> RemoteQueries:
    from app.cluster.celery.settings import EMBED, SOONEST
    from app.cluster.inference.queries import QuerySender, connect_bytes

    return RemoteQueries(QuerySender(connect_bytes(settings.broker_url), send_task, queue=EMBED, priority=SOONEST))


def _qdrant(settings: Settings) -> VectorStore:
    from app.stores.vectors.qdrant.options import QdrantOptions  # takes a second to import, and is rarely needed
    from app.stores.vectors.qdrant.qdrant_store import QdrantVectorStore, connect

    client = connect(
        settings.vectors_url,
        api_key=settings.qdrant_api_key,
        grpc_port=settings.qdrant_grpc_port,
        timeout=settings.qdrant_timeout,
    )
    options = {field.name: getattr(settings, f"qdrant_{field.name}") for field in fields(QdrantOptions)}
    return QdrantVectorStore(client, QdrantOptions(**options))
