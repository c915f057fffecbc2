"""Builds the services of a process on its adapters."""

from __future__ import annotations

import socket
from datetime import timedelta

from app.adapters import Adapters
from app.cluster.models.shared_models import SharedModels
from app.domain.scheduling.schedules import Schedule, ScheduleState
from app.inference.local_models import LocalModels
from app.queue.child_programs import ask_child, run_child
from app.services.backup.backup import BackupService
from app.services.backup.restore import RestoreService
from app.services.catalogue.collections import CollectionService
from app.services.catalogue.deletions import Deletions
from app.services.catalogue.indexes import Indexes
from app.services.catalogue.item_search import ItemSearch
from app.services.catalogue.items import ItemService
from app.services.catalogue.model_use import ModelUse
from app.services.catalogue.models import ModelService
from app.services.catalogue.property_types import PropertyTypes
from app.services.classes.classes import ClassService
from app.services.classes.sample import Samples
from app.services.classes.suggestions import SuggestionService
from app.services.ingest.incoming.read_policy import ReadPolicy
from app.services.ingest.ingest import IngestLimits, IngestService
from app.services.ingest.scene_windows import SceneWindows
from app.services.jobs.jobs import JobService
from app.services.jobs.processes import ProcessService
from app.services.labels.labels import LabelService
from app.services.maintenance.garbage import GarbageCollector
from app.services.maintenance.identity import Installation
from app.services.maintenance.repair import Repair
from app.services.maintenance.state_check import StateCheck
from app.services.maps.imagery_png import ImageryMap
from app.services.maps.map_service import MapService
from app.services.reindex.judging.fold_heads import FoldHeads
from app.services.reindex.judging.gate import Gate
from app.services.reindex.reindex import ReindexService, reindex_process
from app.services.reindex.rollback import RollbackService
from app.services.reindex.source_choice import VectorSourceChoice
from app.services.schedules.schedule_store import SCHEDULES, STATES, ScheduleStore
from app.services.schedules.schedules import ScheduleService
from app.services.schedules.sync import SyncService
from app.services.search.recent_queries import RecentQueries
from app.services.search.saved_searches import SavedSearchService, SavedSearchStore
from app.services.search.search import SearchService
from app.services.search.shared_links import SharedLinks
from app.services.training.evaluation import EvaluationService
from app.services.training.head_training import HeadTraining
from app.services.training.network_training import FullTraining
from app.services.training.subject import Subjects
from app.services.training.training import TrainingService
from app.settings import Settings
from app.stores.home import Home


class Services:
    """The services of one process. They are built here, and started and stopped by `app.container`."""

    def __init__(
        self,
        settings: Settings,
        home: Home,
        adapters: Adapters,
        models_provider: LocalModels | SharedModels,
        read_policy: ReadPolicy,
    ) -> None:
        self.settings = settings
        self.home = home
        self._adapters = adapters
        self.models_provider = models_provider
        self.vectors, self.blobs, self.job_store = adapters.vectors, adapters.blobs, adapters.job_store
        self.locks, self.folders, self.queue = adapters.locks, adapters.folders, adapters.queue
        self.callbacks = adapters.callbacks
        self.installation = Installation(
            blobs=self.blobs,
            vectors=self.vectors,
            locks=self.locks,
            file=None if settings.broker_url else home.identity,
            place=f"{socket.gethostname()}:{home.path}",
            is_inside=not settings.blobs_url,
        )
        self.jobs = JobService(self.job_store, self.queue, self.folders)
        self._build_catalogue(settings)
        self._build_search(settings, read_policy)
        self._build_indexing(settings, read_policy)
        self._build_learning(settings)
        self._build_maintenance(settings)
        processes = [self.training.process, self.evaluation.process, reindex_process(self.reindex)]
        self.processes = ProcessService(processes, self.callbacks)

    def _build_catalogue(self, settings: Settings) -> None:
        uses = ModelUse(self.vectors, self.blobs)
        self.models = ModelService(self.models_provider, uses, settings.max_upload_bytes, self.locks)
        self.indexes = Indexes(self.vectors, self.blobs, lambda: self.installation.ensure().id)
        self.recent = RecentQueries(self.blobs, settings.recent_queries, self.locks)
        saved = SavedSearchStore(self.blobs)
        self.shared_links = SharedLinks(self.blobs)
        self.deletions = Deletions(
            vectors=self.vectors,
            indexes=self.indexes,
            blobs=self.blobs,
            jobs=self.jobs,
            data=[self.recent, ScheduleStore(self.blobs), saved, self.shared_links],
            locks=self.locks,
        )
        self.collections = CollectionService(
            vectors=self.vectors,
            indexes=self.indexes,
            blobs=self.blobs,
            models=self.models,
            deletions=self.deletions,
            locks=self.locks,
        )
        self.saved_searches = SavedSearchService(self.collections, saved)
        self.items = ItemService(self.collections, self.vectors, self.blobs, settings.max_pixels)
        self.item_search = ItemSearch(self.collections, self.items, self.vectors)
        self.property_types = PropertyTypes(self.collections, self.vectors)

    def _build_search(self, settings: Settings, read_policy: ReadPolicy) -> None:
        self.search = SearchService(
            collections=self.collections,
            models=self.models,
            vectors=self.vectors,
            blobs=self.blobs,
            recent=self.recent,
            resolve=read_policy.resolve,
            windows=SceneWindows(
                self.models, read_policy, self.home.staging / "search", settings.max_upload_bytes, settings.max_pixels
            ).read,
            max_pixels=settings.max_pixels,
        )
        self.labels = LabelService(self.collections, self.vectors)
        self.maps = MapService(self.collections, self.vectors, self.search)
        self.imagery_map = ImageryMap(self.items, self.vectors)
        samples = Samples(self.vectors)
        self.classes = ClassService(self.collections, self.vectors, samples)
        self.suggestions = SuggestionService(self.collections, self.vectors, samples)

    def _build_indexing(self, settings: Settings, read_policy: ReadPolicy) -> None:
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

    def _build_reindexing(self, settings: Settings) -> None:
        source_choice = VectorSourceChoice(self.collections, self.models, self.blobs, settings.max_pixels, settings.threads)
        self.reindex = ReindexService(
            collections=self.collections,
            indexes=self.indexes,
            models=self.models,
            vectors=self.vectors,
            queue=self.queue,
            gate=Gate(self.vectors, self.recent, FoldHeads(self.models, run_child)),
            source_choice=source_choice,
            folders=self.folders,
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
            deletions=self.deletions,
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
