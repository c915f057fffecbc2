"""Where vectors are kept and searched."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.domain.geometry import Bounds
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
class IndexStats:
    """size: number of points. dimension: D of the embedding. generation: changes with every write, or always."""

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
        """The `limit` most similar qualifying tiles, by score descending, then id ascending. Exact, but on a server where very
        many tiles qualify: there some of them may be missing.

        vector: (D,) float32, L2-normalised. after: only hits behind this cursor, so that pages neither repeat nor lose a tile.
        """

    def search_with_pairs(
        self, index: str, vector: NDArray[np.float32], *, limit: int, filter: TileFilter, after: Cursor | None = None
    ) -> Shortlist:
        """What `search` finds, in the same order, with the stored pair halves, in as many trips: for the matcher."""

    def scroll(self, index: str, *, limit: int, filter: TileFilter, after: str | None = None) -> Page:
        """Up to `limit` qualifying tiles by id ascending, beginning behind the id `after`."""

    def retrieve(self, index: str, ids: Sequence[str]) -> dict[str, Tile]:
        """Tiles by id; unknown ids are absent."""

    def retrieve_vectors(self, index: str, ids: Sequence[str]) -> Embeddings:
        """Embeddings, features and pair halves of existing tiles, in the order of `ids`.

        Raises:
            NotFound: an id is unknown; the message names it.
        """

    def scroll_sources(self, index: str, *, limit: int, after: str | None = None) -> SourcePage:
        """Ids and sources of up to `limit` tiles by id ascending, beginning behind the id `after`; cheaper than the tiles."""

    def scroll_vectors(
        self, index: str, *, limit: int, after: str | None = None, features: bool = False, pairs: bool = False
    ) -> VectorPage:
        """Up to `limit` tiles with their embeddings by id ascending, beginning behind the id `after`.

        features, pairs: fetch these too; they are None unless every tile of the page has one.
        """

    def copy_with_vectors(
        self,
        source: str,
        target: str,
        transform: Callable[[Embeddings], NDArray[np.float32] | None],
        *,
        step: Callable[[int, bool], None],
        pairs: bool = True,
    ) -> bool:
        """Make the new index `target` of all tiles of `source`: records and features as they are, pair halves too unless
        `pairs` says no, under new embeddings. Durable when it returns; what is written to `source` meanwhile may be missing.

        transform: maps old embeddings and features to the (N, D) embeddings of the target; if it returns None (it needs the
            images), False is returned. step: called between small pieces of work with how many tiles are done, and whether
            they outlast a kill; it
        may raise. Whatever `target` holds after an end before the end, if it exists at all, is done.

        Raises:
            Conflict: the target exists.
        """

    def count(self, index: str, filter: TileFilter) -> int:
        """How many tiles qualify. Exact, but with a region and over 10 000 tiles on its edge those count by their bounds, and
        more than a million on a server are an estimate.
        """

    def facet(self, index: str, key: str, *, filter: TileFilter, limit: int = 100) -> list[tuple[str, int]]:
        """Most frequent values of a keyword field (`labels`, `source`), exact counts, count descending, then value."""

    def extent(self, index: str) -> Extent:
        """Where and when the tiles are."""

    def set_records(self, index: str, tiles: Sequence[Tile]) -> None:
        """Replace the records of existing points and leave their vectors alone."""

    def set_labels(self, index: str, labels: Mapping[str, tuple[str, ...]]) -> None:
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
