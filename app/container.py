"""Settings to adapters to services. This module and `app.adapters` are the only places that choose an adapter."""

from __future__ import annotations

import logging
from pathlib import Path

from app.adapters import open_adapters, open_home
from app.cluster.models.shared_models import SharedModels
from app.domain.urls import is_url
from app.errors import DyadError
from app.inference.local_models import LocalModels, OpenBundle
from app.inference.onnx import OnnxInference
from app.ports import JobHandler
from app.queue.child_programs import ask_child, run_child
from app.queue.observed_handlers import observed
from app.queue.ticker import Ticker
from app.services.backup.backup import BackupService
from app.services.backup.restore import RestoreService
from app.services.catalogue.collections import CollectionService
from app.services.catalogue.indexes import Indexes
from app.services.catalogue.items import ItemService
from app.services.catalogue.model_use import ModelUse
from app.services.catalogue.models import ModelService
from app.services.ingest.ingest import KIND as INGEST
from app.services.ingest.ingest import IngestLimits, IngestService
from app.services.ingest.read_policy import ReadPolicy
from app.services.jobs.jobs import JobService
from app.services.jobs.processes import ProcessService
from app.services.labels.labels import LabelService
from app.services.maintenance.garbage import GarbageCollector
from app.services.reindex.gate import Gate
from app.services.reindex.reindex import KIND as REINDEX
from app.services.reindex.reindex import ReindexService, reindex_process
from app.services.reindex.rollback import RollbackService
from app.services.reindex.source_choice import VectorSourceChoice
from app.services.schedules.schedule_store import ScheduleStore
from app.services.schedules.schedules import ScheduleService
from app.services.schedules.sync import KIND as SYNC
from app.services.schedules.sync import SyncService
from app.services.search.recent_queries import RecentQueries
from app.services.search.search import SearchService
from app.services.training.evaluation import KIND as EVALUATE
from app.services.training.evaluation import EvaluationService
from app.services.training.head_training import HeadTraining
from app.services.training.network_training import FullTraining
from app.services.training.subject import Subjects
from app.services.training.training import KIND as TRAIN
from app.services.training.training import TrainingService
from app.settings import Settings
from app.stores.key_file import KeyFile
from app.stores.web.named_files import NamedFiles

log = logging.getLogger(__name__)


class Container:
    """One process's parts, opened together and closed in the opposite order.

    url: the address that this process serves, written into the lock of its home. opening: how bundles are opened; a worker with
    a GPU opens them there. is_worker: whether it runs jobs of a cluster.

    Raises:
        StartupError: the home is in use, was written by a newer version, or cannot be written.
    """

    def __init__(
        self,
        settings: Settings,
        url: str | None = None,
        opening: OpenBundle = OnnxInference,
        *,
        is_worker: bool = False,
    ) -> None:
        self.settings = settings
        self._opening = opening
        self.keys = None if settings.api_keys_file is None else KeyFile(settings.api_keys_file)
        self.home = open_home(settings, url)
        try:
            self._adapters = open_adapters(settings, self.home, is_worker=is_worker)
            if self._adapters.queries is not None:
                self._opening = self._adapters.queries.open
            self._build(settings)
        except BaseException:
            self.home.close()
            raise

    def _build(self, settings: Settings) -> None:
        adapters = self._adapters
        self.vectors, self.blobs, self.job_store = adapters.vectors, adapters.blobs, adapters.job_store
        self.locks, self.folders, self.queue = adapters.locks, adapters.folders, adapters.queue
        self.depths = None if adapters.broker is None else adapters.broker.depths
        self.models_provider = self._models_provider(settings)
        uses = ModelUse(self.vectors, self.blobs)
        self.models = ModelService(self.models_provider, uses, settings.max_upload_bytes, self.locks)
        self.indexes = Indexes(self.vectors, self.blobs)
        self.recent = RecentQueries(self.blobs, settings.recent_queries, self.locks)
        self.jobs = JobService(self.job_store, self.queue, self.folders)
        self.collections = CollectionService(
            self.vectors,
            self.indexes,
            self.blobs,
            self.jobs,
            self.models,
            [self.recent, ScheduleStore(self.blobs)],
            self.locks,
        )
        urls = [root for root in settings.read_roots if is_url(root)]
        remote = NamedFiles(urls, settings.read_networks) if urls else None
        read_policy = ReadPolicy(tuple(Path(root) for root in settings.read_roots if not is_url(root)), remote=remote)
        self.ingest = IngestService(
            self.collections,
            self.models,
            self.vectors,
            self.blobs,
            self.queue,
            self.folders,
            read_policy,
            IngestLimits(settings.max_upload_bytes, settings.max_pixels, settings.threads),
            adapters.helpers,
        )
        self.items = ItemService(self.collections, self.vectors, self.blobs, settings.max_pixels)
        self.search = SearchService(self.collections, self.models, self.vectors, self.blobs, self.recent, settings.max_pixels)
        source_choice = VectorSourceChoice(self.collections, self.models, self.blobs, settings.max_pixels, settings.threads)
        gate = Gate(self.vectors, self.recent)
        self.reindex = ReindexService(
            self.collections, self.indexes, self.models, self.vectors, self.queue, gate, source_choice
        )
        self.rollback = RollbackService(
            self.collections, self.indexes, self.models, self.vectors, self.job_store, source_choice
        )
        self.labels = LabelService(self.collections, self.vectors)
        self.sync = SyncService(
            self.collections,
            self.ingest,
            self.reindex,
            self.job_store,
            self.vectors,
            self.blobs,
            read_policy,
            settings.max_upload_bytes,
            settings.sync_min_remaining,
        )
        self.schedules = ScheduleService(self.collections, self.job_store, self.queue, self.blobs, read_policy, self.locks)
        self.ticker = Ticker(self.schedules.tick)
        self._build_learning(settings)
        self.backup = BackupService(self.collections, self.indexes, self.models, self.vectors, self.blobs, self.job_store)
        self.restore = RestoreService(
            self.collections, self.models, self.vectors, self.blobs, self.job_store, self.home.staging / "restore"
        )
        self.garbage = GarbageCollector(
            self.collections, self.indexes, self.job_store, self.vectors, self.blobs, self.locks, self.jobs.sweep
        )
        self.processes = ProcessService([self.training.process, self.evaluation.process, reindex_process(self.reindex)])

    def _models_provider(self, settings: Settings) -> LocalModels | SharedModels:
        if settings.broker_url:  # one cache for all processes of this machine
            cache = settings.home.absolute() / "shared-models"
            return SharedModels(self.blobs, self.locks, cache, settings.threads, opening=self._opening)
        return LocalModels(self.home.models, settings.threads, opening=self._opening)

    def _build_learning(self, settings: Settings) -> None:
        subjects = Subjects(self.collections, self.models, self.vectors, self.blobs, settings.max_pixels)
        head = HeadTraining(subjects, self.models, self.vectors, self.folders, run_child, ask_child)
        full = FullTraining(self.models, self.vectors, self.blobs, self.folders, run_child, ask_child)
        self.training = TrainingService(
            subjects, self.models, self.job_store, self.queue, self.folders, head, full, self.reindex.submit, self.locks
        )
        self.evaluation = EvaluationService(
            self.collections, subjects, self.models, self.blobs, self.job_store, self.queue, self.folders, run_child
        )

    def start(self, *, tick: bool = True) -> None:
        """Remove what a crash left, then begin to work on jobs. tick: whether schedules are looked after, too.

        In a cluster the workers do that, at the beat of one clock for all.
        """
        self.recent.start()
        if self._adapters.start is None:
            return
        self.sweep()
        self._adapters.start(self.lanes())
        if tick:
            self.ticker.start()

    def sweep(self) -> None:
        """Remove what a crash left."""
        self.collections.sweep()
        self.indexes.sweep(self.jobs.is_waiting)
        self.jobs.sweep()

    def close(self) -> None:
        """Finish the tile in hand, make everything durable, let go of the home. A part that fails to close is logged."""
        parts = (
            self.ticker,
            self.queue,
            self.recent,
            self.models_provider,
            self.vectors,
            self.job_store,
            self.locks,
            self.home,
        )
        if self._adapters.queries is not None:
            self._adapters.queries.close()
        if self._adapters.broker is not None:
            self._adapters.broker.close()
        for part in parts:
            try:
                part.close()
            except DyadError as error:
                log.error("closing: %s", error)

    def lanes(self) -> dict[str, dict[str, JobHandler]]:
        """Who does which kind of job; a training never waits for an ingest, nor the other way round."""
        return {
            "index": observed({INGEST: self.ingest.run, SYNC: self.sync.run, REINDEX: self.reindex.run}),
            "learn": observed({TRAIN: self.training.run, EVALUATE: self.evaluation.run}),
        }
