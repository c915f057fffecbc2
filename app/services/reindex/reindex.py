"""Re-indexing: build a new index beside the live one, compare both, then switch. A kill at any moment leaves the live index
unchanged; the job continues with the part that was built.
"""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path
from typing import Any

from pydantic import Field

from app.domain.indexes import Live
from app.domain.jobs import Job, new_job
from app.errors import Conflict, DyadError
from app.ports import Inference, Interrupted, JobContext, JobQueue, VectorStore
from app.services.catalogue.collections import CollectionService
from app.services.catalogue.indexes import Indexes
from app.services.catalogue.models import ModelService
from app.services.jobs.folders import JobFolders
from app.services.jobs.processes import Inputs, Process
from app.services.jobs.sub_progress import SubProgress
from app.services.reindex.index_build import IndexBuild
from app.services.reindex.judging.gate import Gate
from app.services.reindex.judging.verdict import Verdict
from app.services.reindex.replay import Side
from app.services.reindex.source_choice import VectorSourceChoice

log = logging.getLogger(__name__)

KIND = "reindex"
MARGIN = 0.01
BUILT_PERCENT, JUDGED_PERCENT = 80.0, 98.0


class ReindexInputs(Inputs):
    """Inputs of the process `reindex`."""

    collection: str = Field(description="id of the collection")
    model: str | None = Field(default=None, description="id of the model; by default the model in the collection's settings")
    margin: float = Field(default=MARGIN, ge=0, le=1, description="accepted loss of mean average precision of the new index")
    force: bool = Field(
        default=False,
        description="switch even if the new index is worse or cannot be compared; leave out tiles with unreadable images",
    )


class ReindexService:
    """Builds new indexes and switches collections to them."""

    def __init__(
        self,
        *,
        collections: CollectionService,
        indexes: Indexes,
        models: ModelService,
        vectors: VectorStore,
        queue: JobQueue,
        gate: Gate,
        source_choice: VectorSourceChoice,
        folders: JobFolders,
    ) -> None:
        self._collections = collections
        self._indexes = indexes
        self._models = models
        self._vectors = vectors
        self._queue = queue
        self._gate = gate
        self._source_choice = source_choice
        self._folders = folders

    def submit(self, collection_id: str, model: str | None = None, *, margin: float = MARGIN, force: bool = False) -> Job:
        """Submit a job that re-indexes a collection. model: by default the one in the collection's settings.

        With the model of the live index, all tiles are embedded again from their images. margin: accepted loss of mean average
        precision. force: switch even if the new index is worse or cannot be compared.

        Raises:
            NotFound: the collection or the model. ModelMismatch: the model does not fit the collection.
        """
        collection = self._collections.get(collection_id)
        wanted = model or self._collections.wanted_model(collection)
        self._models.check_fit(wanted, collection.bands)
        job = new_job(KIND, collection_id, {"model": wanted, "margin": margin, "force": force})
        self._queue.submit(job)
        return job

    def run(self, context: JobContext) -> dict[str, Any]:
        """Run a job; return the outputs of the process.

        Raises:
            Cancelled, Interrupted: the job has to stop. DyadError: tiles cannot be embedded, and it is not forced.
        """
        job = context.job
        collection_id = str(job.collection)
        with self._models.keeping():
            model = self._models.load(job.inputs["model"])
            target = self._indexes.begin(collection_id, model.card.id, job.id)
        live = self._collections.live(collection_id)
        if live.index == target:  # an earlier attempt was killed after the switch
            record = self._indexes.record(target)
            self._collections.switch(collection_id, target)
            result = record.outcome if record is not None and record.outcome is not None else {}
        else:
            result = self._build_or_drop(context, live, target, model)
        self._indexes.drop_old(collection_id, self._collections.live(collection_id).index, live.index)
        return result

    def _build_or_drop(self, context: JobContext, live: Live, target: str, model: Inference) -> dict[str, Any]:
        is_kept = False
        try:
            with self._folders.working(context.job.id) as folder:
                result = self._build_and_judge(context, live, target, model, folder)
        except Interrupted:
            is_kept = True
            raise
        else:
            is_kept = result["candidate_version"] is not None
            return result
        finally:
            if not is_kept and self._collections.live(str(context.job.collection)).index != target:
                self._indexes.drop(target)

    def _build_and_judge(self, context: JobContext, live: Live, target: str, model: Inference, folder: Path) -> dict[str, Any]:
        collection_id, inputs = str(context.job.collection), context.job.inputs
        total = max(1, self._vectors.stats(live.index).size)

        def report(done: int) -> None:
            percent = BUILT_PERCENT * min(1.0, done / total)
            context.progress(percent, f"{done} of {total} tiles", {"tiles": done, **build.made})

        with closing(self._source_choice.open(collection_id, live, model)) as vector_source:
            build = IndexBuild(
                self._vectors,
                live.index,
                target,
                vector_source,
                check=context.check,
                saved=context.mark_progress,
                is_forced=inputs["force"],
            )
            build.fill(model.card.dimension, report)
            build.settle()
            context.progress(BUILT_PERCENT, "comparing both indexes", {"tiles": total, **build.made})
            verdict = self._judge(SubProgress(context, BUILT_PERCENT, JUDGED_PERCENT), live, target, model, folder)
            build.settle()
            with self._collections.writing(collection_id) as still:
                if still != live:
                    raise Conflict(
                        f"collection {collection_id!r} was switched to {still.version} during the re-index; re-index it again"
                    )
                build.settle()
                return self._decide(collection_id, live, target, build, verdict, is_forced=inputs["force"])

    def _judge(self, context: JobContext, live: Live, target: str, model: Inference, folder: Path) -> Verdict:
        try:
            old = self._models.load(live.model)
        except DyadError as error:
            return Verdict("passed", f"not compared, because the old model cannot be loaded: {error}", {})
        collection_id, margin = str(context.job.collection), context.job.inputs["margin"]
        sides = Side(live.index, old), Side(target, model)
        return self._gate.judge(collection_id, *sides, margin, folder=folder, context=context)

    def _decide(
        self, collection_id: str, live: Live, target: str, build: IndexBuild, verdict: Verdict, *, is_forced: bool
    ) -> dict[str, Any]:
        """Switch if the verdict allows it, and return the job's result. Under the write lock, with both indexes equal."""
        decision, reason = verdict.decision, verdict.reason
        if not build.is_whole:
            decision, reason = "refused", "the new index does not have all tiles of the old one"
        switched = decision == "passed" or is_forced
        if is_forced and decision != "passed":
            reason = f"forced, although {reason}"
        is_candidate = decision == "undecided" and not switched
        left_out = [{"id": item, "source": each.tile.source, "reason": each.reason} for item, each in build.left_out.items()]
        outcome = {
            "switched": switched,
            "verdict": decision,
            "reason": reason,
            "gate": verdict.numbers,
            "index_version": Live.of(target).version if switched else live.version,
            "previous_version": live.version,
            "candidate_version": Live.of(target).version if is_candidate else None,
            "tiles": self._vectors.stats(target).size,
            **build.made,
            "left_out": left_out,
        }
        if not switched:
            log.info("collection %s keeps index %s: %s", collection_id, live.version, reason)
            self._collections.set_model(collection_id, live.model)
            if is_candidate:
                self._indexes.finish(target, outcome)
            return outcome
        self._indexes.finish(target, outcome)
        self._indexes.retire(live.index, self._collections.get(collection_id).created)
        self._collections.switch(collection_id, target)
        return outcome


def reindex_process(service: ReindexService) -> Process:
    """The process `reindex`."""

    def submit(inputs: ReindexInputs) -> Job:
        return service.submit(inputs.collection, inputs.model, margin=inputs.margin, force=inputs.force)

    return Process(
        KIND,
        "Re-index a collection",
        "Builds a new index, compares it with the live one, and switches on evidence that it is not worse, or for a model that "
        "learned from the collection's labels, that it is better. Without such evidence the new index is kept as a candidate.",
        ReindexInputs,
        submit,
        {
            "switched": "whether the new index is live now",
            "verdict": "`passed`, `refused` (worse), or `undecided` (not enough evidence)",
            "reason": "the reason, in one line",
            "gate": "figures of the comparison: queries, mean average precision, interval, overlap and latency of both indexes",
            "index_version": "version of the live index",
            "previous_version": "version of the live index before the job",
            "candidate_version": "version of the new index if it is undecided: a rollback to it switches anyway",
            "left_out": "tiles left out because their images could not be read (with `force`)",
        },
    )
