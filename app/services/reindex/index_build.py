"""Builds an index with the same tiles as another one and the vectors of another model.

Calls are small, because the embedded vector store holds the interpreter lock and searches must not wait. Tiles that exist
already are left unchanged, so an interrupted build continues, and a finished one is updated in the same way.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from app.domain.queries.search import TileFilter
from app.domain.tiles import Embeddings, Tile
from app.errors import DyadError, NotFound
from app.ports import VectorStore
from app.services.reindex.vector_sources import Failure, NewVectors, VectorSource

PAGE = 500
AHEAD = 2
"""Number of batches whose images are read ahead while another batch is embedded."""
FLUSH_EVERY = 20_000
"""Tiles between flushes. A flush holds the interpreter lock while the disk writes; only a power cut needs it, not a kill."""
SAMPLE = 4
PASSES = 5
MAX_FAILURES = 1000
PAUSE = 0.001


class IndexBuild:
    """Builds the index `target` from the index `source`.

    vector_source: makes the new vectors. check: called between batches; raises if the build should stop. saved: called after
    each durable step. is_forced: leave out tiles that cannot be embedded instead of failing.
    """

    def __init__(
        self,
        vectors: VectorStore,
        source: str,
        target: str,
        vector_source: VectorSource,
        *,
        check: Callable[[], None],
        saved: Callable[[], None],
        is_forced: bool,
    ) -> None:
        self._vectors = vectors
        self._source = source
        self._target = target
        self._vector_source = vector_source
        self._check = check
        self._saved = saved
        self._is_forced = is_forced
        self._seen: int | None = None
        self._unflushed = 0
        self.made = {"copied": 0, "projected": 0, "embedded": 0}
        self.left_out: dict[str, Failure] = {}

    def fill(self, dimension: int, report: Callable[[int], None]) -> None:
        """Build all tiles. dimension: of the target, if it does not exist yet. report: called with the number of finished
        tiles.

        Raises:
            DyadError: tiles cannot be embedded, and the build is not forced; the message names them.
        """
        generation = self._vectors.stats(self._source).generation
        is_new = self._target not in self._vectors.indexes()
        if not is_new or not self._copy_all(report):
            self._fill(dimension, report)
        self._flush()
        self._refuse_failures()
        self._seen = generation if is_new else None

    def _fill(self, dimension: int, report: Callable[[int], None]) -> None:
        """Build tile by tile; skip tiles that exist in the target already."""
        if self._target not in self._vectors.indexes():
            self._vectors.create_index(self._target, dimension)
        is_empty = self._vectors.stats(self._target).size == 0
        waiting: deque[Callable[[], NewVectors]] = deque()
        after, done, is_last = None, 0, False
        while not is_last:
            self._check()
            page = self._vectors.scroll_vectors(
                self._source,
                limit=self._vector_source.batch,
                after=after,
                features=self._vector_source.features,
                pairs=self._vector_source.pairs,
            )
            known = {} if is_empty else self._vectors.retrieve(self._target, [tile.id for tile in page.tiles])
            self._begin(page.tiles, page.embeddings, known, waiting)
            while len(waiting) > AHEAD:
                self._write(waiting.popleft()())
            after, is_last = page.after, page.after is None
            done += len(page.tiles)
            report(done)
            time.sleep(PAUSE)
        while waiting:
            self._write(waiting.popleft()())

    def settle(self) -> None:
        """Apply the writes to the source since the last call. Under the collection's write lock both indexes are equal then.

        Raises:
            DyadError: as `fill`.
        """
        self._check()
        for _ in range(PASSES):
            generation = self._vectors.stats(self._source).generation
            if generation == self._seen or not self._catch_up():
                break
            self._seen = generation
        self._flush()
        self._refuse_failures()

    @property
    def is_whole(self) -> bool:
        """Whether the target has as many tiles as the source, except those left out. Only exact under the write lock."""
        sizes = [self._vectors.stats(index).size for index in (self._source, self._target)]
        return sizes[1] == sizes[0] - len(self.left_out)

    def _copy_all(self, report: Callable[[int], None]) -> bool:
        """Build the target in one step if no image is needed; return whether that was possible."""
        sample = self._vectors.scroll_vectors(
            self._source, limit=SAMPLE, features=self._vector_source.features, pairs=self._vector_source.pairs
        )
        if not sample.tiles or not self._vector_source.needs_no_images(sample.tiles, sample.embeddings):
            return False

        def step(done: int, is_kept: bool) -> None:
            self._check()
            self.made[self._vector_source.way] = done
            if is_kept:
                self._saved()
            report(done)
            time.sleep(PAUSE)

        return self._vectors.copy_with_vectors(
            self._source, self._target, self._vector_source.transform, step=step, pairs=self._vector_source.pairs
        )

    def _catch_up(self) -> bool:
        """Compare the records of both indexes once and update the target; return whether anything differed."""
        is_behind = False
        self.left_out = {item: failure for item, failure in self.left_out.items() if self._find(item) is not None}
        for tiles in self._pages(self._source):
            known = self._vectors.retrieve(self._target, [tile.id for tile in tiles])
            waiting: deque[Callable[[], NewVectors]] = deque()
            fresh = [tile for tile in tiles if tile != known.get(tile.id) and not self._is_left_out(tile)]
            is_behind = is_behind or bool(fresh)
            for start in range(0, len(fresh), self._vector_source.batch):
                self._bring(fresh[start : start + self._vector_source.batch], known, waiting)
                while waiting:
                    self._write(waiting.popleft()())
        if not self.is_whole:
            self._remove_stale()
            is_behind = True
        return is_behind

    def _bring(self, tiles: Sequence[Tile], known: Mapping[str, Tile], waiting: deque[Callable[[], NewVectors]]) -> None:
        try:
            old = self._vectors.retrieve_vectors(self._source, [tile.id for tile in tiles])
        except NotFound:  # a tile has just been deleted; the generation has changed, so another pass follows
            return
        self._begin(tiles, old, known, waiting)

    def _remove_stale(self) -> None:
        for tiles in self._pages(self._target):
            there = self._vectors.retrieve(self._source, [tile.id for tile in tiles])
            stale = [tile.id for tile in tiles if tile.id not in there]
            if stale:
                self._vectors.delete(self._target, stale)
                self._unflushed += len(stale)

    def _begin(
        self, tiles: Sequence[Tile], old: Embeddings, known: Mapping[str, Tile], waiting: deque[Callable[[], NewVectors]]
    ) -> None:
        """Write records whose pixels did not change; start to make the vectors of new and changed tiles."""
        changed = [tile for tile in tiles if tile.id in known and tile != known[tile.id]]
        relabelled = [tile for tile in changed if _looks_like(tile, known[tile.id])]
        self._vectors.set_records(self._target, relabelled)
        self._unflushed += len(relabelled)
        rows = [row for row, tile in enumerate(tiles) if tile.id not in known or not _looks_like(tile, known[tile.id])]
        if rows:
            vectors = old if len(rows) == len(tiles) else old.rows(np.asarray(rows, np.intp))
            waiting.append(self._vector_source.begin([tiles[row] for row in rows], vectors))

    def _write(self, remade: NewVectors) -> None:
        self._check()
        self._vectors.upsert(self._target, remade.tiles, remade.vectors)
        self._note(remade.way, len(remade.tiles))
        for failure in remade.failures:
            if self._find(failure.tile.id) is not None:
                self.left_out[failure.tile.id] = failure
        if len(self.left_out) > MAX_FAILURES:
            self._refuse_failures()

    def _note(self, way: str, count: int) -> None:
        """Count written tiles, and flush if enough have been written."""
        self.made[way] += count
        self._saved()
        self._unflushed += count
        if self._unflushed >= FLUSH_EVERY:
            self._flush()

    def _flush(self) -> None:
        if self._unflushed:
            self._vectors.flush(self._target)
        self._unflushed = 0

    def _find(self, item_id: str) -> Tile | None:
        return self._vectors.retrieve(self._source, [item_id]).get(item_id)

    def _is_left_out(self, tile: Tile) -> bool:
        failure = self.left_out.get(tile.id)
        return failure is not None and _looks_like(failure.tile, tile)

    def _refuse_failures(self) -> None:
        if self._is_forced or not self.left_out:
            return
        named = [f"{failure.tile.source} ({failure.reason})" for failure in list(self.left_out.values())[:3]]
        more = len(self.left_out) - len(named)
        raise DyadError(
            f"{len(self.left_out)} tiles cannot be embedded from their stored images: {'; '.join(named)}"
            f"{f' and {more} more' if more else ''}; delete these tiles or index them again, or leave them out with `force`"
        )

    def _pages(self, index: str) -> Iterator[list[Tile]]:
        """All tiles of an index by id, in lists."""
        after, is_last = None, False
        while not is_last:
            self._check()
            page = self._vectors.scroll(index, limit=PAGE, filter=TileFilter(), after=after)
            yield page.tiles
            after, is_last = page.after, page.after is None
            time.sleep(PAUSE)


def _looks_like(tile: Tile, other: Tile) -> bool:
    """Whether both tiles have the same pixels; other fields are ignored."""
    return _shape(tile) == _shape(other)


def _shape(tile: Tile) -> tuple[object, ...]:
    return tile.image, tile.stretch, tile.window
