"""An empty shard with its payload indexes: the engine makes one, and its files are written again for each new index.

The engine makes each of the ten payload indexes durable by itself, which takes a second on many disks. Written together, the
same files are durable within a tenth of it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import qdrant_edge as edge

from app.atomic_files import sync, telling_full_disk
from app.stores.vectors.payload import DATETIME_INDEX, FLOAT_INDEXES, GEO_INDEX, KEYWORD_INDEXES

_WRITERS = 16
"""Threads that wait for the disk at once; file systems serve several such waits together."""
_MEMORY = Path("/dev/shm")  # noqa: S108 (a folder of one's own is made in it)
_MEMORY_NEEDED = 256 << 20
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class _File:
    """A file that is zeros except for `runs` of bytes at positions. path: below the folder of the shard."""

    path: Path
    size: int
    runs: tuple[tuple[int, bytes], ...]

    @classmethod
    def read(cls, folder: Path, path: Path) -> _File:
        runs, position = [], 0
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                if content := chunk.rstrip(b"\0"):
                    runs.append((position, content))
                position += len(chunk)
        return cls(path.relative_to(folder), position, tuple(runs))

    def write(self, folder: Path) -> None:
        with (folder / self.path).open("xb") as file:
            for position, content in self.runs:
                file.seek(position)
                file.write(content)
            file.truncate(self.size)
            file.flush()
            os.fsync(file.fileno())


def write_empty_shard(folder: Path, dimension: int) -> None:
    """Write an empty shard, durably, as the new folder `folder`. dimension: of its vectors.

    Raises:
        OutOfSpace: the disk is full. Exception: the engine's own errors.
    """
    folders, files = _content(dimension)
    with telling_full_disk(folder.parent), ThreadPoolExecutor(_WRITERS) as pool:
        for each in folders:
            (folder / each).mkdir()
        list(pool.map(lambda file: file.write(folder), files))
        list(pool.map(lambda each: sync(folder / each), folders))


@lru_cache(maxsize=16)
def _content(dimension: int) -> tuple[tuple[Path, ...], tuple[_File, ...]]:
    """Folders (the shard's own first, each after the one that it is in) and files of an empty shard."""
    has_memory = os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _MEMORY_NEEDED
    with tempfile.TemporaryDirectory(dir=_MEMORY if has_memory else None) as name:
        folder = Path(name) / "shard"
        _make(folder, dimension)
        paths = [folder, *sorted(folder.rglob("*"))]
        folders = tuple(path.relative_to(folder) for path in paths if path.is_dir())
        return folders, tuple(_File.read(folder, path) for path in paths if not path.is_dir())


def _make(folder: Path, dimension: int) -> None:
    parameters = edge.EdgeVectorParams(size=dimension, distance=edge.Distance.Cosine)
    shard = edge.EdgeShard.create(str(folder), edge.EdgeConfig(vectors={"": parameters}))
    kinds = dict.fromkeys(KEYWORD_INDEXES, edge.PayloadSchemaType.Keyword)
    kinds |= dict.fromkeys(FLOAT_INDEXES, edge.PayloadSchemaType.Float)
    kinds |= {DATETIME_INDEX: edge.PayloadSchemaType.Datetime, GEO_INDEX: edge.PayloadSchemaType.Geo}
    for key, kind in kinds.items():
        shard.update(edge.UpdateOperation.create_field_index(key, kind))
    shard.flush()
    shard.close()
