"""Builds the adapters and services of a process from the settings. Only this module and `app.adapters` choose an adapter."""

from __future__ import annotations

import logging
import socket
from datetime import timedelta
from pathlib import Path

from app.adapters import open_adapters, open_home
from app.cluster.models.shared_models import SharedModels
from app.domain.schedules import Schedule, ScheduleState
from app.domain.urls import is_url
from app.errors import DyadError, Unavailable
from app.imagery.raster.decode_budget import BUDGET
from app.inference.bundle_trial import try_bundle
from app.inference.local_models import LocalModels, OpenBundle
from app.inference.onnx import OnnxInference
from app.ports import JobHandler
from app.ports.wait_limit import limited_wait
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
from app.services.maintenance.identity import Installation
from app.services.maintenance.repair import Repair
from app.services.maintenance.state_check import StateCheck
from app.services.reindex.gate import Gate
from app.services.reindex.reindex import KIND as REINDEX
from app.services.reindex.reindex import ReindexService, reindex_process
from app.services.reindex.rollback import RollbackService
from app.services.reindex.source_choice import VectorSourceChoice
from app.services.schedules.schedule_store import SCHEDULES, STATES, ScheduleStore
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
    """The adapters and services of one process.

    url: the address that this process serves, written into the lock file of its home. opening: opens model bundles; a worker
    with a GPU passes its own. is_worker: whether the process runs jobs of a cluster. takes_over: see `Installation.take_over`.

    Raises:
        StartupError: the home is in use, was written by a newer version, or cannot be written; or the stores do not belong
            together.
    """

    def __init__(
        self,
        settings: Settings,
        url: str | None = None,
        opening: OpenBundle = OnnxInference,
        *,
        is_worker: bool = False,
        takes_over: bool = False,
    ) -> None:
        self.settings = settings
        BUDGET.resize(settings.decode_mb << 20)
        self._opening = opening
        self.keys = None if settings.api_keys_file is None else KeyFile(settings.api_keys_file)
        self.home = open_home(settings, url)
        try:
            self._adapters = open_adapters(settings, self.home, is_worker=is_worker)
            if self._adapters.queries is not None:
                self._opening = self._adapters.queries.open
            self._build(settings)
            self._establish(takes_over=takes_over)
        except BaseException:
            self.home.close()
            raise

    def _build(self, settings: Settings) -> None:
        adapters = self._adapters
        self.vectors, self.blobs, self.job_store = adapters.vectors, adapters.blobs, adapters.job_store
        self.locks, self.folders, self.queue = adapters.locks, adapters.folders, adapters.queue
        self.depths = None if adapters.broker is None else adapters.broker.depths
        self.installation = Installation(
            blobs=self.blobs,
            vectors=self.vectors,
            locks=self.locks,
            file=None if settings.broker_url else self.home.identity,
            place=f"{socket.gethostname()}:{self.home.path}",
            is_inside=not settings.blobs_url,
        )
        self.jobs = JobService(self.job_store, self.queue, self.folders)
        self._build_catalogue(settings)
        self._build_search(settings)
        self._build_indexing(settings)
        self._build_learning(settings)
        self._build_maintenance(settings)
        self.processes = ProcessService([self.training.process, self.evaluation.process, reindex_process(self.reindex)])

    def _build_catalogue(self, settings: Settings) -> None:
        self.models_provider = self._models_provider(settings)
        uses = ModelUse(self.vectors, self.blobs)
        self.models = ModelService(self.models_provider, uses, settings.max_upload_bytes, self.locks)
        self.indexes = Indexes(self.vectors, self.blobs, lambda: self.installation.ensure().id)
        self.recent = RecentQueries(self.blobs, settings.recent_queries, self.locks)
        self.collections = CollectionService(
            vectors=self.vectors,
            indexes=self.indexes,
            blobs=self.blobs,
            jobs=self.jobs,
            models=self.models,
            data=[self.recent, ScheduleStore(self.blobs)],
            locks=self.locks,
        )
        self.items = ItemService(self.collections, self.vectors, self.blobs, settings.max_pixels)

    def _build_search(self, settings: Settings) -> None:
        self.search = SearchService(
            collections=self.collections,
            models=self.models,
            vectors=self.vectors,
            blobs=self.blobs,
            recent=self.recent,
            max_pixels=settings.max_pixels,
        )
        self.labels = LabelService(self.collections, self.vectors)

    def _build_indexing(self, settings: Settings) -> None:
        read_policy = _read_policy(settings)
        self.ingest = IngestService(
            collections=self.collections,
            models=self.models,
            vectors=self.vectors,
            blobs=self.blobs,
            queue=self.queue,
            folders=self.folders,
            read_policy=read_policy,
            limits=IngestLimits(settings.max_upload_bytes, settings.max_pixels, settings.threads),
            helpers=self._adapters.helpers,
        )
        self._build_reindexing(settings)
        self.sync = SyncService(
            collections=self.collections,
            ingest=self.ingest,
            reindex=self.reindex,
            jobs=self.job_store,
            vectors=self.vectors,
            blobs=self.blobs,
            read_policy=read_policy,
            max_bytes=settings.max_upload_bytes,
            min_remaining=settings.sync_min_remaining,
        )
        self.schedules = ScheduleService(
            collections=self.collections,
            jobs=self.job_store,
            queue=self.queue,
            blobs=self.blobs,
            read_policy=read_policy,
            locks=self.locks,
        )
        self.ticker = Ticker(self.schedules.tick)

    def _build_reindexing(self, settings: Settings) -> None:
        source_choice = VectorSourceChoice(self.collections, self.models, self.blobs, settings.max_pixels, settings.threads)
        self.reindex = ReindexService(
            collections=self.collections,
            indexes=self.indexes,
            models=self.models,
            vectors=self.vectors,
            queue=self.queue,
            gate=Gate(self.vectors, self.recent),
            source_choice=source_choice,
        )
        self.rollback = RollbackService(
            collections=self.collections,
            indexes=self.indexes,
            models=self.models,
            vectors=self.vectors,
            jobs=self.job_store,
            source_choice=source_choice,
        )

    def _build_learning(self, settings: Settings) -> None:
        subjects = Subjects(self.collections, self.models, self.vectors, self.blobs, settings.max_pixels)
        head = HeadTraining(
            subjects=subjects,
            models=self.models,
            vectors=self.vectors,
            folders=self.folders,
            run_child=run_child,
            ask_child=ask_child,
        )
        full = FullTraining(
            models=self.models,
            vectors=self.vectors,
            blobs=self.blobs,
            folders=self.folders,
            run_child=run_child,
            ask_child=ask_child,
        )
        self.training = TrainingService(
            subjects=subjects,
            models=self.models,
            jobs=self.job_store,
            queue=self.queue,
            folders=self.folders,
            head=head,
            full=full,
            reindex=self.reindex.submit,
            locks=self.locks,
        )
        self.evaluation = EvaluationService(
            collections=self.collections,
            subjects=subjects,
            models=self.models,
            blobs=self.blobs,
            jobs=self.job_store,
            queue=self.queue,
            folders=self.folders,
            run_child=run_child,
        )

    def _build_maintenance(self, settings: Settings) -> None:
        self.backup = BackupService(
            collections=self.collections,
            indexes=self.indexes,
            models=self.models,
            vectors=self.vectors,
            blobs=self.blobs,
            jobs=self.job_store,
        )
        self.restore = RestoreService(
            collections=self.collections,
            models=self.models,
            vectors=self.vectors,
            blobs=self.blobs,
            jobs=self.job_store,
            scratch=self.home.staging / "restore",
        )
        self.garbage = GarbageCollector(
            collections=self.collections,
            indexes=self.indexes,
            jobs=self.jobs,
            job_store=self.job_store,
            vectors=self.vectors,
            blobs=self.blobs,
            locks=self.locks,
            grace=timedelta(days=settings.quarantine_days),
        )
        self.state = StateCheck(
            collections=self.collections,
            indexes=self.indexes,
            vectors=self.vectors,
            blobs=self.blobs,
            documents={SCHEDULES: Schedule.model_validate_json, STATES: ScheduleState.model_validate_json},
            notes=self._adapters.notes,
        )
        self.repair = Repair(
            indexes=self.indexes,
            models=self.models,
            vectors=self.vectors,
            blobs=self.blobs,
            max_pixels=settings.max_pixels,
        )

    def _establish(self, *, takes_over: bool) -> None:
        """Check that the stores belong together. A cluster starts without an answer; its indexes are built after one only."""
        try:
            if takes_over:
                self.installation.take_over()
            elif self.settings.broker_url:
                with limited_wait(0):
                    self.installation.ensure()
            else:
                self.installation.ensure()
        except Unavailable as error:
            if not self.settings.broker_url:
                raise
            log.warning("the identity of the stores is checked later: %s", error)

    def _models_provider(self, settings: Settings) -> LocalModels | SharedModels:
        if settings.broker_url:  # one cache for all processes of this machine
            cache = settings.home.absolute() / "shared-models"
            return SharedModels(self.blobs, self.locks, cache, settings.threads, opening=self._opening, trial=try_bundle)
        return LocalModels(self.home.models, settings.threads, opening=self._opening, trial=try_bundle)

    def start(self, *, tick: bool = True) -> None:
        """Collect garbage, then start to run jobs. tick: whether this process also runs due schedules.

        In a cluster this starts only the writing of recent queries: workers run the jobs and schedules.
        """
        self.recent.start()
        if self._adapters.start is None:
            return
        self.garbage.collect_at_start()
        for found in self.state.all():
            log.error("%s: %s", found.part, found.problem)
        self._adapters.start(self.lanes())
        if tick:
            self.ticker.start()

    def stop_jobs(self) -> None:
        """Interrupt the jobs that run in this process, without waiting; they continue at the next start."""
        if self._adapters.stop is not None:
            self._adapters.stop()

    def close(self) -> None:
        """Stop after the current tile, make everything durable and release the home. An error of a part is logged."""
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
                log.error("error at shutdown: %s", error)

    def lanes(self) -> dict[str, dict[str, JobHandler]]:
        """Job handlers by kind, in lanes that run side by side, so that training and ingest do not wait for each other."""
        return {
            "index": observed({INGEST: self.ingest.run, SYNC: self.sync.run, REINDEX: self.reindex.run}),
            "learn": observed({TRAIN: self.training.run, EVALUATE: self.evaluation.run}),
        }


def _read_policy(settings: Settings) -> ReadPolicy:
    urls = [root for root in settings.read_roots if is_url(root)]
    remote = NamedFiles(urls, settings.read_networks) if urls else None
    return ReadPolicy(tuple(Path(root) for root in settings.read_roots if not is_url(root)), remote=remote)
