"""Storage and search of vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.domain.places.geometry import Bounds
from app.domain.queries.search import Cursor, Hit, Shortlist, TileFilter
from app.domain.temporal import Interval
from app.domain.tiles import Embeddings, Tile


@dataclass(frozen=True, slots=True)
class Page:
    """Tiles in id order. after: id after which the next page begins, None after the last page."""

    tiles: list[Tile]
    after: str | None


@dataclass(frozen=True, slots=True)
class SourcePage:
    """Ids and sources of tiles in id order. marks: `Tile.mark` of each. after: as in `Page`."""

    sources: list[tuple[str, str]]
    marks: list[str | None]
    after: str | None


@dataclass(frozen=True, slots=True)
class VectorPage:
    """Tiles in id order with their vectors. after: as in `Page`."""

    tiles: list[Tile]
    embeddings: Embeddings
    after: str | None


@dataclass(frozen=True, slots=True)
class IndexStats:
    """State of an index. size: number of points. dimension: D of the embedding. generation: changes with every write, at
    least.
    """

    size: int
    dimension: int
    generation: int


@dataclass(frozen=True, slots=True)
class Extent:
    """Extent of an index. bounds: of all footprints, unwrapped. interval: first and last acquisition time. None if there are
    none.
    """

    bounds: Bounds | None
    interval: Interval | None


class VectorStore(Protocol):
    """Points (tile record + vectors) in named indexes, and aliases that point at them.

    Index names are `{collection}.{model}.{n}`, alias names are collection ids; the services choose both.
    Payload indexes are created together with the index.
    """

    def create_index(self, index: str, dimension: int) -> None:
        """Create an empty index of D-dimensional cosine vectors.

        Raises:
            Conflict: it exists.
        """

    def drop_index(self, index: str) -> None:
        """Delete an index with all its points; nothing happens if it does not exist."""

    def indexes(self) -> list[str]:
        """Names of all indexes, sorted."""

    def owners(self) -> dict[str, str]:
        """The id of the installation that owns each index; "" for an index without a mark."""

    def claim(self, installation: str, unmarked: Sequence[str]) -> None:
        """Set the id of this installation, which new indexes carry, and mark these indexes, which have no mark yet."""

    def check(self, index: str) -> None:
        """Check that an index exists and can be opened. Does not read its points.

        Raises:
            NotFound: no such index. Damaged: its files are damaged or missing.
        """

    def damage(self) -> list[str]:
        """What is damaged outside single indexes, and repairs that were made when the store was opened; a line for each."""

    def refuses_writes(self) -> str | None:
        """Why writes are refused although the store answers (a nearly full disk); None if they are accepted."""

    def stats(self, index: str) -> IndexStats:
        """Size, dimension and write generation.

        Raises:
            NotFound: no such index (so does every method below that takes an index).
        """

    def set_alias(self, alias: str, index: str) -> None:
        """Make `alias` point at `index`, atomically, instead of its previous target."""

    def drop_alias(self, alias: str) -> None:
        """Delete an alias; nothing happens if it does not exist."""

    def aliases(self) -> dict[str, str]:
        """All aliases and the indexes they point at."""

    def upsert(self, index: str, tiles: Sequence[Tile], vectors: Embeddings) -> None:
        """Write points; existing points with the same id are replaced. Durable after `flush`.

        Raises:
            ModelMismatch: the vectors' dimension is not the index's.
        """

    def flush(self, index: str) -> None:
        """Make all writes so far durable, also against a power cut."""

    def search(
        self, index: str, vector: NDArray[np.float32], *, limit: int, filter: TileFilter, after: Cursor | None = None
    ) -> list[Hit]:
        """The `limit` most similar qualifying tiles, by score descending, then id ascending. Exact, except on a server where
        very many tiles qualify: some of them may be missing there.

        vector: (D,) float32, L2-normalised. after: only hits after this cursor, so that pages neither repeat nor lose a tile.
        """

    def shortlist(
        self,
        index: str,
        vector: NDArray[np.float32],
        *,
        limit: int,
        filter: TileFilter,
        after: Cursor | None = None,
        pairs: bool = True,
        embeddings: bool = False,
    ) -> Shortlist:
        """The results of `search`, in the same order and with as many requests, for re-ranking.

        pairs, embeddings: also read the candidate features for the matcher, and the embeddings.
        """

    def scroll(self, index: str, *, limit: int, filter: TileFilter, after: str | None = None) -> Page:
        """Up to `limit` qualifying tiles by id ascending, after the id `after`."""

    def retrieve(self, index: str, ids: Sequence[str]) -> dict[str, Tile]:
        """Tiles by id; unknown ids are left out."""

    def retrieve_vectors(self, index: str, ids: Sequence[str]) -> Embeddings:
        """Embeddings, features and candidate features of existing tiles, in the order of `ids`.

        Raises:
            NotFound: an id is unknown; the message names it.
        """

    def scroll_sources(self, index: str, *, limit: int, after: str | None = None) -> SourcePage:
        """Ids and sources of up to `limit` tiles by id ascending, after the id `after`; cheaper than whole tiles."""

    def scroll_vectors(
        self, index: str, *, limit: int, after: str | None = None, features: bool = False, pairs: bool = False
    ) -> VectorPage:
        """Up to `limit` tiles with their embeddings by id ascending, after the id `after`.

        features, pairs: also read features and candidate features; they are None unless every tile of the page has them.
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
        """Create the index `target` with all tiles of `source`: the same records and features, new embeddings, and the same
        candidate features if `pairs`. Durable on return. Writes to `source` during the copy may be missing.

        transform: maps old embeddings and features to the (N, D) float32 embeddings of the target; if it returns None, because
            it needs the images, the copy ends and False is returned.
        step: called between small pieces of work with the number of finished tiles and whether they survive a kill; may raise.
            After an error `target`, if it exists, contains only finished tiles.

        Raises:
            Conflict: the target exists.
        """

    def count(self, index: str, filter: TileFilter) -> int:
        """Number of qualifying tiles. Exact, except for more than 10 000 tiles on the edge of a region, which count by their
        bounds, and for more than a million tiles on a server, which is an estimate.
        """

    def facet(self, index: str, key: str, *, filter: TileFilter, limit: int = 100) -> list[tuple[str, int]]:
        """Most frequent values of a keyword field (`labels`, `source`), exact counts, count descending, then value."""

    def extent(self, index: str) -> Extent:
        """Spatial and temporal extent of the tiles."""

    def set_records(self, index: str, tiles: Sequence[Tile]) -> None:
        """Replace the records of existing points; their vectors stay."""

    def set_labels(self, index: str, labels: Mapping[str, tuple[str, ...]]) -> None:
        """Replace the labels of tiles by id; other fields stay. Much faster than `set_records`. Unknown ids are ignored."""

    def delete(self, index: str, ids: Sequence[str]) -> None:
        """Delete points; unknown ids are ignored."""

    def snapshot(self, index: str, target: Path) -> None:
        """Write a copy of the index to the new file or folder `target`, from which `restore` creates an equal index."""

    def restore(self, index: str, source: Path) -> None:
        """Create `index` from a snapshot.

        Raises:
            Conflict: the index exists.
        """

    def ping(self) -> None:
        """Return if the store answers, else raise `Unavailable`."""

    def close(self) -> None:
        """Flush and release all resources."""
