"""Reads one GeoParquet file of embeddings and emits its rows as tiles without images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.domain.naming.ids import tile_id
from app.domain.tiles import NO_IMAGE, Embeddings, Tile
from app.errors import InvalidInput
from app.ports.stopping import check_stop
from app.services.ingest.events import Event, FileDone, Progress, ReadVectors, Unchanged
from app.services.ingest.incoming.sources import Note, SourceFile
from app.services.ingest.tile_records import Version
from models.bundle.card import ModelCard

if TYPE_CHECKING:
    from app.services.ingest.embeddings.embedding_tables import EmbeddingTable, Row


class EmbeddingRun:
    """One pass over one file. card: of the model of the collection. version: of the file."""

    def __init__(
        self,
        source: SourceFile,
        version: Version,
        card: ModelCard,
        collection: str,
        find: Callable[[Sequence[str]], dict[str, Tile]],
        emit: Callable[[Event], None],
    ) -> None:
        self._source = source
        self._version = version
        self._card = card
        self._collection = collection
        self._find = find
        self._emit = emit

    def run(self) -> None:
        """Emit the rows.

        Raises:
            InvalidInput: there is no column of vectors, or they are not of the model of the collection.
        """
        if find_spec("pyarrow") is None:
            raise InvalidInput("Parquet files need the extra `gis` on the server: pip install 'dyad[gis]'")
        from app.services.ingest.embeddings.embedding_tables import open_table  # only with the extra

        with open_table(self._source.path) as table:
            self._check(table)
            left_out = 0
            for rows, vectors, unusable in table.batches():
                check_stop()
                left_out += unusable
                self._emit_rows(rows, vectors)
                self._emit(Progress(self._source.weight * (len(rows) + unusable) / max(table.rows, 1)))
        if left_out:
            self._emit(Note(self._source.name, f"left out: {left_out} rows without a usable vector"))
        is_same = self._version.content
        contains = (lambda tile: tile.content_hash == is_same) if self._source.is_known else None
        self._emit(FileDone(self._source, 0.0, 0, contains))

    def _check(self, table: EmbeddingTable) -> None:
        is_of_model = self._card.kind == "vectors" or table.model == self._card.id
        if table.dimension == self._card.dimension and is_of_model:
            return
        what = f"embeddings of dimension {table.dimension}" + (f" of model {table.model!r}" if table.model else "")
        raise InvalidInput(
            f"the file has {what}, and the collection those of model {self._card.id!r} (dimension {self._card.dimension}); "
            f"create a collection with the model 'vectors-{table.dimension}' for it"
        )

    def _emit_rows(self, rows: Sequence[Row], vectors: NDArray[np.float32]) -> None:
        ids = [tile_id(self._collection, self._source.name, row.key) for row in rows]
        known = self._find(ids) if self._source.is_known and ids else {}
        unchanged = [each for each in ids if each in known and known[each].content_hash == self._version.content]
        if unchanged:
            self._emit(Unchanged(unchanged))
        new = [number for number, each in enumerate(ids) if each not in {*unchanged}]
        if new:
            tiles = tuple(self._tile(ids[number], rows[number], known.get(ids[number])) for number in new)
            changed = sum(ids[number] in known for number in new)
            self._emit(ReadVectors(tiles, Embeddings(vectors[np.array(new)]), changed))

    def _tile(self, item_id: str, row: Row, before: Tile | None) -> Tile:
        """The record of a row. Labels that users gave stay if the file has none."""
        metadata, now = self._source.metadata, datetime.now(UTC)
        tile = Tile(
            id=item_id,
            source=self._source.name,
            file_name=row.file_name or row.key,
            content_hash=self._version.content,
            picture_hash=self._version.picture,
            image=NO_IMAGE,
            indexed_at=now,
            geometry=row.geometry,
            datetime=row.datetime or metadata.datetime,
            gsd=row.gsd,
            labels=row.labels or metadata.labels,
            properties={**row.properties, **metadata.properties},
            sent={},
        )
        return tile if row.labels is not None or before is None else replace(tile, labels=before.labels)
