"""Opens the adapters and services of a process from its settings, starts and stops them."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from app.adapters import open_adapters, open_home, open_models, open_read_policy
from app.assembly import Services
from app.errors import DyadError, Unavailable
from app.imagery.raster.decode_budget import BUDGET
from app.inference.blas_threads import use_one_blas_thread
from app.inference.local_models import OpenBundle
from app.inference.onnx import OnnxInference
from app.ports import JobHandler
from app.ports.wait_limit import limited_wait
from app.queue.observed_handlers import observed
from app.queue.ticker import Ticker
from app.services.ingest.ingest import KIND as INGEST
from app.services.reindex.reindex import KIND as REINDEX
from app.services.schedules.sync import KIND as SYNC
from app.services.training.evaluation import KIND as EVALUATE
from app.services.training.training import KIND as TRAIN
from app.settings import Settings
from app.stores.key_file import KeyFile

log = logging.getLogger(__name__)


class Container(Services):
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
        BUDGET.resize(settings.decode_mb << 20)
        use_one_blas_thread()
        self.keys = None if settings.api_keys_file is None else KeyFile(settings.api_keys_file)
        home = open_home(settings, url)
        try:
            adapters = open_adapters(settings, home, is_worker=is_worker)
            models = open_models(settings, home, adapters, opening)
            super().__init__(settings, home, adapters, models, open_read_policy(settings))
            self.depths = None if adapters.broker is None else adapters.broker.depths
            self.ticker = Ticker(self.schedules.tick)
            self._establish(takes_over=takes_over)
        except BaseException:
            home.close()
            raise

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
            "index": self._wrapped({INGEST: self.ingest.run, SYNC: self.sync.run, REINDEX: self.reindex.run}),
            "learn": self._wrapped({TRAIN: self.training.run, EVALUATE: self.evaluation.run}),
        }

    def _wrapped(self, handlers: Mapping[str, JobHandler]) -> dict[str, JobHandler]:
        return observed(self.callbacks.announcing(handlers))
