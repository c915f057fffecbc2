"""The part of `VectorStore` that both engines share: all operations on one index, over the protocol `Index`."""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from app.domain.queries.search import Cursor, Hit, Shortlist, TileFilter
from app.domain.tiles import Embeddings, Tile
from app.errors import InvalidInput, ModelMismatch, NotFound
from app.ports import Extent, IndexStats, Page, SourcePage, VectorPage, VectorStore
from app.stores.vectors import exact_answers
from app.stores.vectors.conditions import EVERYTHING
from app.stores.vectors.index_protocol import Index, Point, scroll_all
from app.stores.vectors.payload import (
    LABELS_FIELD,
    MARK_FIELD,
    PAIR_FIELD,
    RECORD_FIELDS,
    SOURCE_FIELD,
    VECTOR_FIELDS,
    features_of,
    pairs_of,
    to_payload,
    to_payloads,
    to_tile,
)
from app.stores.vectors.snapshots import open_snapshot, write_snapshot

Transform = Callable[[Embeddings], NDArray[np.float32] | None]
Step = Callable[[int, bool], None]
"""See `VectorStore.copy_with_vectors`."""

_BATCH = 100
_PART = 1000


class IndexedStore(VectorStore):
    """`VectorStore` but for creating, listing and naming indexes."""

    @abstractmethod
    def _index(self, index: str) -> Index:
        """The open index; raises `NotFound`."""

    @override
    def stats(self, index: str) -> IndexStats:
        opened = self._index(index)
        return IndexStats(opened.size(), opened.dimension, opened.generation())

    @override
    def upsert(self, index: str, tiles: Sequence[Tile], vectors: Embeddings) -> None:
        opened = self._index(index)
        _check_vectors(index, opened.dimension, len(tiles), vectors)
        payloads = to_payloads(tiles, vectors)
        for at in range(0, len(tiles), _BATCH):
            part = slice(at, at + _BATCH)
            rows = vectors.embedding[part].tolist()
            opened.upsert(list(zip((tile.id for tile in tiles[part]), rows, payloads[part], strict=True)))

    @override
    def flush(self, index: str) -> None:
        self._index(index).flush()

    @override
    def search(
        self, index: str, vector: NDArray[np.float32], *, limit: int, filter: TileFilter, after: Cursor | None = None
    ) -> list[Hit]:
        return exact_answers.search(self._opened(index, vector), vector, limit=limit, tile_filter=filter, after=after)

    @override
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
        return exact_answers.shortlist(
            self._opened(index, vector),
            vector,
            limit=limit,
            tile_filter=filter,
            after=after,
            pairs=pairs,
            embeddings=embeddings,
        )

    @override
    def scroll(self, index: str, *, limit: int, filter: TileFilter, after: str | None = None) -> Page:
        return exact_answers.scroll(self._index(index), limit=limit, tile_filter=filter, after=after)

    @override
    def retrieve(self, index: str, ids: Sequence[str]) -> dict[str, Tile]:
        return {point: to_tile(point, payload) for point, payload in self._index(index).retrieve(ids, RECORD_FIELDS).items()}

    @override
    def retrieve_vectors(self, index: str, ids: Sequence[str]) -> Embeddings:
        opened = self._index(index)
        found = opened.retrieve_points(ids)
        missing = next((point for point in ids if point not in found), None)
        if missing is not None:
            raise NotFound(f"no tile {missing} in index {index!r}")
        payloads = [found[point][1] for point in ids]
        rows = np.array([found[point][0] for point in ids], np.float32).reshape(len(ids), opened.dimension)
        return Embeddings(rows, features_of(payloads), pairs_of(payloads))

    @override
    def scroll_sources(self, index: str, *, limit: int, after: str | None = None) -> SourcePage:
        # One row may be `after` itself, and one shows whether there are more.
        rows = self._index(index).scroll(limit + 2, after, EVERYTHING, [SOURCE_FIELD, MARK_FIELD])
        rows = rows[1:] if rows and rows[0][0] == after else rows
        found = [(point, str(payload[SOURCE_FIELD])) for point, payload in rows[:limit]]
        marks = [payload.get(MARK_FIELD) for _, payload in rows[:limit]]
        return SourcePage(found, marks, found[-1][0] if len(rows) > limit and found else None)

    @override
    def scroll_vectors(
        self, index: str, *, limit: int, after: str | None = None, features: bool = False, pairs: bool = False
    ) -> VectorPage:
        opened = self._index(index)
        wanted = [name for name, is_wanted in zip(VECTOR_FIELDS, (features, pairs), strict=True) if is_wanted]
        points, following = _behind(opened, limit, after, [*RECORD_FIELDS, *wanted])
        payloads = [payload for _, _, payload in points]
        rows = np.array([vector for _, vector, _ in points], np.float32).reshape(len(points), opened.dimension)
        vectors = Embeddings(rows, features_of(payloads), pairs_of(payloads))
        return VectorPage([to_tile(point, payload) for point, _, payload in points], vectors, following)

    @override
    def copy_with_vectors(self, source: str, target: str, transform: Transform, *, step: Step, pairs: bool = True) -> bool:
        opened, done = self._index(source), 0
        for points in scroll_all(opened, _BATCH):
            made = transformed(points, opened.dimension, transform)
            if made is None:
                return False
            if not done:
                self.create_index(target, made.shape[1])
            if not pairs:
                for _, _, payload in points:
                    payload.pop(PAIR_FIELD, None)
            rows = made.tolist()
            self._index(target).upsert([(point, row, payload) for (point, _, payload), row in zip(points, rows, strict=True)])
            done += len(points)
            step(done, True)
        if done:
            self.flush(target)
        return done > 0

    @override
    def count(self, index: str, filter: TileFilter) -> int:
        return exact_answers.count(self._index(index), filter)

    @override
    def facet(self, index: str, key: str, *, filter: TileFilter, limit: int = 100) -> list[tuple[str, int]]:
        return exact_answers.facet(self._index(index), key, tile_filter=filter, limit=limit)

    @override
    def extent(self, index: str) -> Extent:
        return exact_answers.extent(self._index(index))

    @override
    def set_records(self, index: str, tiles: Sequence[Tile]) -> None:
        opened = self._index(index)
        for at in range(0, len(tiles), _BATCH):
            opened.set_payloads({tile.id: to_payload(tile) for tile in tiles[at : at + _BATCH]})

    @override
    def set_labels(self, index: str, labels: Mapping[str, tuple[str, ...]]) -> None:
        opened = self._index(index)
        alike: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
        for point, wanted in labels.items():
            alike[wanted].append(point)
        for wanted, ids in alike.items():
            for at in range(0, len(ids), _BATCH):
                opened.set_payload(ids[at : at + _BATCH], {LABELS_FIELD: list(wanted)})

    @override
    def delete(self, index: str, ids: Sequence[str]) -> None:
        opened = self._index(index)
        for at in range(0, len(ids), _PART):
            opened.delete(ids[at : at + _PART])

    def snapshot(self, index: str, target: Path) -> None:
        """See `VectorStore`, and `write_snapshot` for tiles that are written at the same time."""
        write_snapshot(self._index(index), target)

    def restore(self, index: str, source: Path) -> None:
        """See `VectorStore`. If it fails, the index is dropped.

        Raises:
            InvalidInput: the file is not a snapshot.
        """
        with open_snapshot(source) as snapshot:
            self.create_index(index, snapshot.dimension)
            is_whole = False
            try:
                opened = self._index(index)
                for points in snapshot.batches(_BATCH):
                    opened.upsert(points)
                opened.flush()
                is_whole = True
            finally:
                if not is_whole:
                    self.drop_index(index)

    def _opened(self, index: str, vector: NDArray[np.float32]) -> Index:
        """The open index; raises `ModelMismatch` unless `vector` has its dimension."""
        opened = self._index(index)
        if vector.shape != (opened.dimension,):
            raise ModelMismatch(
                f"index {index!r} contains {opened.dimension}-d vectors, but the query has shape {vector.shape}; "
                "search with the model of the index"
            )
        return opened


def _behind(index: Index, limit: int, after: str | None, fields: Sequence[str] | None = None) -> tuple[list[Point], str | None]:
    """Up to `limit` points after the id `after`, and the id to continue after."""
    points = index.scroll_points(limit + 2, after, fields)  # one may be `after` itself, one shows whether there are more
    points = points[1:] if points and points[0][0] == after else points
    shown = points[:limit]
    return shown, shown[-1][0] if shown and len(points) > limit else None


def transformed(points: Sequence[Point], dimension: int, transform: Transform) -> NDArray[np.float32] | None:
    """Apply `transform` to points that were read with their feature: (N, D) float32, or None if it cannot compute them."""
    rows = np.array([vector for _, vector, _ in points], np.float32).reshape(len(points), dimension)
    return transform(Embeddings(rows, features_of([payload for _, _, payload in points])))


def _check_vectors(index: str, dimension: int, tiles: int, vectors: Embeddings) -> None:
    if vectors.embedding.ndim != 2 or vectors.embedding.shape[1] != dimension:
        raise ModelMismatch(
            f"index {index!r} contains {dimension}-d vectors, but these have shape {vectors.embedding.shape}; "
            "use the model of the collection"
        )
    if len(vectors) != tiles:
        raise InvalidInput(f"index {index!r}: {tiles} tiles but {len(vectors)} vectors; give one vector for each tile")
