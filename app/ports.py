"""The protocols between the services and the parts that keep state or compute. Every one has an embedded adapter.

Adapters are thread-safe: a job may write while requests read. They raise `app.errors` only; a part that does not answer is
`Unavailable`. One contract suite a protocol, in tests/contracts, runs over all its adapters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from app.domain.cards import ModelCard, ModelEntry
from app.domain.geometry import Bounds
from app.domain.jobs import Job, JobStatus
from app.domain.search import Cursor, Hit, Shortlist, TileFilter
from app.domain.temporal import Interval
from app.domain.tiles import Embeddings, Tile


@dataclass(frozen=True, slots=True)
class Page:
    """Tiles in id order, and the id to continue after (None: that was all)."""

    tiles: list[Tile]
    after: str | None


@dataclass(frozen=True, slots=True)
class SourcePage:
    """Ids and sources of tiles in id order, and the id to continue after (None: that was all)."""

    sources: list[tuple[str, str]]
    after: str | None


@dataclass(frozen=True, slots=True)
class VectorPage:
    """Tiles in id order with their vectors, and the id to continue after (None: that was all)."""

    tiles: list[Tile]
    embeddings: Embeddings
    after: str | None


@dataclass(frozen=True, slots=True)
class Carried:
    """How many tiles were copied, and the id to continue after (None: that was all)."""

    count: int
    after: str | None


@dataclass(frozen=True, slots=True)
class IndexStats:
    """size: number of points. dimension: D of the embedding. generation: changes with every write."""

    size: int
    dimension: int
    generation: int


@dataclass(frozen=True, slots=True)
class Extent:
    """bounds: of all footprints, unwrapped, None without any. interval: first and last acquisition time, None without any."""

    bounds: Bounds | None
    interval: Interval | None


class VectorStore(Protocol):
    """Points (tile record + vectors) in named indexes, and aliases that point at them.

    Index names are `{collection}.{model}.{n}`, alias names are collection ids; both are made by the services.
    Payload indexes exist from an index's creation on.
    """

    def create_index(self, index: str, dimension: int) -> None:
        """Create an empty index of D-dimensional cosine vectors.

        Raises:
            Conflict: it exists.
        """

    def drop_index(self, index: str) -> None:
        """Delete an index with all its points; nothing happens if there is none."""

    def indexes(self) -> list[str]:
        """Names of all indexes, sorted."""

    def stats(self, index: str) -> IndexStats:
        """Size, dimension and write generation.

        Raises:
            NotFound: no such index (so does every method below that takes an index).
        """

    def set_alias(self, alias: str, index: str) -> None:
        """Make `alias` point at `index`, atomically, replacing what it pointed at."""

    def drop_alias(self, alias: str) -> None:
        """Remove an alias; nothing happens if there is none."""

    def aliases(self) -> dict[str, str]:
        """All aliases and the indexes they point at."""

    def upsert(self, index: str, tiles: Sequence[Tile], vectors: Embeddings) -> None:
        """Write points; those whose id exists are replaced whole. Durable after `flush`.

        Raises:
            ModelMismatch: the vectors' dimension is not the index's.
        """

    def flush(self, index: str) -> None:
        """Make everything written so far survive a power cut."""

    def search(
        self, index: str, vector: NDArray[np.float32], *, limit: int, filter: TileFilter, after: Cursor | None = None
    ) -> list[Hit]:
        """The `limit` most similar qualifying tiles, by score descending, then id ascending; exact.

        vector: (D,) float32, L2-normalised. after: only hits behind this cursor, so that pages neither repeat nor lose a tile.
        """

    def shortlist(
        self, index: str, vector: NDArray[np.float32], *, limit: int, filter: TileFilter, after: Cursor | None = None
    ) -> Shortlist:
        """What `search` finds, in the same order, with the stored pair halves, in as many trips: for the matcher."""

    def scroll(self, index: str, *, limit: int, filter: TileFilter, after: str | None = None) -> Page:
        """Up to `limit` qualifying tiles by id ascending, beginning behind the id `after`."""

    def get(self, index: str, ids: Sequence[str]) -> dict[str, Tile]:
        """Tiles by id; unknown ids are absent."""

    def vectors(self, index: str, ids: Sequence[str]) -> Embeddings:
        """Embeddings, features and pair halves of existing tiles, in the order of `ids`.

        Raises:
            NotFound: an id is unknown; the message names it.
        """

    def sources(self, index: str, *, limit: int, after: str | None = None) -> SourcePage:
        """Ids and sources of up to `limit` tiles by id ascending, beginning behind the id `after`; cheaper than the tiles."""

    def scan(
        self, index: str, *, limit: int, after: str | None = None, features: bool = False, pairs: bool = False
    ) -> VectorPage:
        """Up to `limit` tiles with their embeddings by id ascending, beginning behind the id `after`.

        features, pairs: fetch these too; they are None unless every tile of the page has one.
        """

    def carry(
        self,
        source: str,
        target: str,
        remake: Callable[[Embeddings], NDArray[np.float32] | None],
        *,
        limit: int,
        after: str | None = None,
        pairs: bool = True,
    ) -> Carried | None:
        """Copy up to `limit` tiles to another index by id ascending, beginning behind the id `after`: records and features as
        they are, pair halves too unless `pairs` says no, under new embeddings. Durable after `flush`.

        remake: the (N, D) embeddings for the target, of the old ones and their features; None if it cannot tell: then nothing
        is copied and None returned. Twice as quick as `scan` and `upsert`, which parse every record.

        Raises:
            ModelMismatch: the new embeddings' dimension is not the target's.
        """

    def count(self, index: str, filter: TileFilter) -> int:
        """How many tiles qualify. Exact, but with a region and over 10 000 tiles on its edge those count by their bounds."""

    def facet(self, index: str, key: str, *, filter: TileFilter, limit: int = 100) -> list[tuple[str, int]]:
        """Most frequent values of a keyword field (`labels`, `source`), exact counts, count descending, then value."""

    def extent(self, index: str) -> Extent:
        """Where and when the tiles are."""

    def update(self, index: str, tiles: Sequence[Tile]) -> None:
        """Replace the records of existing points and leave their vectors alone."""

    def relabel(self, index: str, labels: Mapping[str, tuple[str, ...]]) -> None:
        """Replace the labels of tiles, by id, and leave all else alone: much quicker than `update`. Unknown ids are ignored."""

    def delete(self, index: str, ids: Sequence[str]) -> None:
        """Delete points; unknown ids are ignored."""

    def snapshot(self, index: str, target: Path) -> None:
        """Write a copy of the index to the new file or folder `target`, from which `restore` makes an equal index."""

    def restore(self, index: str, source: Path) -> None:
        """Create `index` from a snapshot.

        Raises:
            Conflict: the index exists.
        """

    def ping(self) -> None:
        """Return if the store answers, else raise `Unavailable`."""

    def close(self) -> None:
        """Flush and release everything."""


class Blobs(Protocol):
    """Bytes by key (`collections/ucm/images/...`). A put is atomic: readers see the old or the new bytes, never a part."""

    def put(self, key: str, data: bytes | Path) -> None:
        """Store bytes, or the content of a file (streamed).

        Raises:
            OutOfSpace: the disk is full.
        """

    def get(self, key: str) -> bytes:
        """The bytes.

        Raises:
            NotFound: no such key.
        """

    def exists(self, key: str) -> bool:
        """Whether the key holds anything."""

    def keys(self, prefix: str) -> Iterator[str]:
        """All keys under a prefix that ends with `/`."""

    def delete(self, keys: Iterable[str]) -> None:
        """Delete keys; unknown ones are ignored."""

    def delete_prefix(self, prefix: str) -> None:
        """Delete every key under a prefix that ends with `/`."""

    def ping(self) -> None:
        """Return if the store answers, else raise `Unavailable`."""


class JobStore(Protocol):
    """The jobs and the ids of the tiles they touched."""

    def create(self, job: Job) -> None:
        """Store a new job.

        Raises:
            Conflict: there is one of its id.
        """

    def get(self, job_id: str) -> Job:
        """One job.

        Raises:
            NotFound: no such job.
        """

    def list(
        self, *, collection: str | None = None, status: Sequence[JobStatus] = (), limit: int = 100, after: str | None = None
    ) -> Sequence[Job]:
        """Jobs, newest first, of a collection and of any of the given statuses, behind the job `after`."""

    def update(self, job_id: str, *, only_if: Sequence[JobStatus] = (), **changes: Any) -> Job | None:
        """Change fields of a job and set `updated`; None, and no change, if its status is not in a non-empty `only_if`.

        Raises:
            NotFound: no such job.
        """

    def claim(self, kinds: Sequence[str] = ()) -> Job | None:
        """Atomically take the oldest accepted job, mark it running and count the attempt; None if there is none.

        kinds: only jobs of these kinds; all if empty.
        """

    def add_items(self, job_id: str, item_ids: Sequence[str]) -> None:
        """Append ids of tiles that the job indexed or found unchanged; an id counts once."""

    def items(self, job_id: str) -> Iterator[str]:
        """Those ids in the order they came, streamed."""

    def delete(self, job_id: str) -> None:
        """Forget a job and its items; nothing happens if there is none."""

    def ping(self) -> None:
        """Return if the store answers, else raise `Unavailable`."""

    def close(self) -> None:
        """Release everything."""


class JobContext(Protocol):
    """What a running job's handler sees of the world."""

    @property
    def job(self) -> Job:
        """The job as it was when it was claimed."""

    def progress(self, percent: float, message: str = "", counts: Mapping[str, int] | None = None) -> None:
        """Publish progress; cheap to call often (writes are throttled)."""

    def add_items(self, item_ids: Sequence[str]) -> None:
        """Report tiles as done: they are durable by now."""

    def gets_on(self) -> None:
        """Say that this run has come further than any before it, which forgives the crashes that it was restarted after."""

    def check(self) -> None:
        """Raise if the job should stop here.

        Raises:
            Cancelled: it was dismissed.
            Interrupted: the process is shutting down; the job goes on at the next start.
        """


class Interrupted(Exception):
    """The process is shutting down; the job is put back and goes on at the next start."""


JobHandler = Callable[[JobContext], dict[str, Any]]
"""Runs a job and returns its result; raises a `DyadError` to fail it."""


Translate = Callable[[dict[str, Any]], dict[str, Any] | None]
"""Makes of an object that a program prints one with `progress`, `message`, `counts`, `result` or `error`; None: nothing."""


class RunChild(Protocol):
    """Runs a program of the learning side as a part of a job."""

    def __call__(
        self, context: JobContext, module: str, arguments: Sequence[str], *, folder: Path, translate: Translate | None = None
    ) -> dict[str, Any]:
        """Run `python -m module arguments` in `folder` until it ends, publish its progress, and return its result.

        It prints an object a line: `{"progress": percent, "message", "counts"}`, and last `{"result": {}}` or `{"error": ""}`.

        Raises:
            Cancelled, Interrupted: told to stop; the program has ended by then. DyadError: it failed.
        """


class AskChild(Protocol):
    """Asks a program of the learning side for an answer that it knows at once."""

    def __call__(self, module: str, arguments: Sequence[str]) -> dict[str, Any]:
        """Run `python -m module arguments`, which prints `{"result": {}}` or `{"error": ""}`; the result.

        Raises:
            InvalidInput: the program's own error. DyadError: it failed otherwise.
        """


class JobQueue(Protocol):
    """Runs accepted jobs, each by the handler of its kind."""

    def submit(self, job: Job) -> None:
        """Store the job and see that it runs.

        Raises:
            Conflict: there is one of its id.
        """

    def cancel(self, job_id: str) -> Job:
        """Dismiss a job that has not ended; an ended one is left as it is.

        Raises:
            NotFound: no such job.
        """

    def wait(self, job_id: str, seconds: float) -> bool:
        """Wait until no handler works on the job; whether that came in time."""

    def close(self) -> None:
        """Stop after the tile in hand; running jobs are put back."""


class Inference(Protocol):
    """A model that embeds tiles and, where its card has a `matcher`, compares pairs of them."""

    @property
    def card(self) -> ModelCard:
        """What it expects and makes."""

    def embed(self, tiles: NDArray[np.uint8]) -> Embeddings:
        """Embed a batch.

        tiles: (N, S, S, B) uint8, S the card's input size, B its number of bands in their order; N >= 1.
        """

    def project(self, features: NDArray[np.float16]) -> NDArray[np.float32] | None:
        """(N, D) float32 embeddings of (N, F) features that this model's encoder made, without any image; None where its
        embedding does not come apart so.

        Raises:
            ModelMismatch: features of another width.
        """

    def examine(self, tiles: NDArray[np.uint8]) -> tuple[Embeddings, NDArray[np.float32] | None]:
        """`embed`, and in the same pass the (N, P) float32 halves with which these tiles ask the matcher; None without one."""

    def log_odds(self, half: NDArray[np.float32], pairs: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Compare one tile with M candidates, in one run.

        half: (P,) float32, from `examine`. pairs: (M, P) uint8, the candidates' `Embeddings.pair`; M >= 0.

        Returns (M,) float32, the log-odds of each pair's being a match, finite.

        Raises:
            ModelMismatch: the model has no matcher, or takes other halves.
        """

    def close(self) -> None:
        """Release everything."""


class ModelProvider(Protocol):
    """The models at hand. What comes or goes shows at once, to every thread."""

    def cards(self) -> list[ModelCard]:
        """Cards of all models, the default first."""

    def entries(self) -> list[ModelEntry]:
        """All models with where they come from and their size, the default first."""

    def load(self, model_id: str) -> Inference:
        """The model, loaded once and shared.

        Raises:
            NotFound: no such model. InvalidBundle: its bundle does not fit.
        """

    def add(self, folder: Path) -> tuple[ModelCard, bool]:
        """Take over a finished bundle, all of it or nothing; its card, and whether it is new (False: it was there already).

        The folder is moved, or left where it is if the very same bundle is there.

        Raises:
            InvalidBundle: it does not fit. Conflict: another model has its id. OutOfSpace: the disk is full.
        """

    def add_zip(self, archive: Path, max_bytes: int) -> tuple[ModelCard, bool]:
        """Take over the bundle in a zip, from whomever it comes; as `add`. The zip stays where it is.

        max_bytes: of all its files together, as they come out.

        Raises:
            InvalidBundle, Conflict, OutOfSpace: as `add`. TooLarge: more than `max_bytes`, or too many files.
        """

    def zipped(self, model_id: str) -> Iterator[bytes]:
        """The bundle of a model as a zip, in pieces; the same bytes every time.

        Raises:
            NotFound: no such model, or one without a bundle. InvalidBundle: its bundle does not fit.
        """

    def copy(self, model_id: str, target: Path) -> Path:
        """Copy the bundle of a model into the new folder `target`, for a program of its own; the copy, named after the model.

        Raises:
            NotFound: no such model, or one without a bundle. InvalidBundle: its bundle does not fit. OutOfSpace.
        """

    def set_default(self, model_id: str) -> None:
        """Make a model the default, durably.

        Raises:
            NotFound: no such model.
        """

    def remove(self, model_id: str) -> None:
        """Delete an added bundle, one that does not fit included, and release the model; whoever works with it may finish.

        Raises:
            NotFound: no such model. Forbidden: it comes with Dyad.
        """
