"""The embedded vector store: a folder per index, and a file of aliases.

::

    aliases.json               {alias: index}, replaced atomically
    {index}/index.json         {"dimension": D}; an index exists if this file exists
    {index}/shard/             the engine's files
    .part-*                    an index being created or removed; deleted at the next start, like folders without `index.json`
"""

from __future__ import annotations

import json
import re
import shutil
import threading
import uuid
from functools import lru_cache
from pathlib import Path

from typing_extensions import override

from app.atomic_files import replace_file, sync
from app.domain.search import TileFilter
from app.errors import Conflict, InvalidInput, NotFound, Unavailable
from app.stores.vectors import exact_answers
from app.stores.vectors.edge.copy_shard import copy_with_vectors
from app.stores.vectors.edge.edge_index import EdgeIndex, check_space
from app.stores.vectors.indexed_store import IndexedStore, Step, Transform, transformed

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
_PART = ".part-"
DEFAULT_RESERVE = 256 << 20


class EdgeVectorStore(IndexedStore):
    """`VectorStore` over Qdrant Edge. One process at a time; shards are opened when they are first used.

    root: the folder, created if missing. reserve: free bytes below which writes fail with `OutOfSpace`.
    """

    def __init__(self, root: Path, *, reserve: int = DEFAULT_RESERVE) -> None:
        self._root = root
        self._reserve = reserve
        self._lock = threading.RLock()
        self._open: dict[str, EdgeIndex] = {}
        self._count_of = lru_cache(maxsize=256)(self._count_now)
        root.mkdir(parents=True, exist_ok=True)
        for folder in root.iterdir():
            if folder.is_dir() and (folder.name.startswith(_PART) or not (folder / "index.json").exists()):
                shutil.rmtree(folder, ignore_errors=True)

    @override
    def create_index(self, index: str, dimension: int) -> None:
        folder = self._folder(index)
        with self._lock:
            if folder.exists():
                raise Conflict(f"index {index!r} already exists")
            check_space(self._root, self._reserve)
            part = self._root / f"{_PART}{uuid.uuid4()}"
            part.mkdir()
            EdgeIndex.create(part / "shard", dimension)
            replace_file(part / "index.json", json.dumps({"dimension": dimension}).encode())
            part.rename(folder)
            sync(self._root)

    @override
    def copy_with_vectors(self, source: str, target: str, transform: Transform, *, step: Step, pairs: bool = True) -> bool:
        opened, folder = self._index(source), self._folder(target)
        sample = opened.scroll_points(1, None, ["feature"])
        made = transformed(sample, opened.dimension, transform) if sample else None
        if made is None:
            return False
        if made.shape[1] != opened.dimension or not pairs:
            return super().copy_with_vectors(source, target, transform, step=step, pairs=pairs)
        try:
            folder.mkdir()
        except FileExistsError:
            raise Conflict(f"index {target!r} already exists") from None
        copy = None
        try:
            copy = copy_with_vectors(opened, folder / "shard", transform, step, reserve=self._reserve)
            if copy is not None:
                sync(self._root)
                replace_file(folder / "index.json", json.dumps({"dimension": opened.dimension}).encode())
                with self._lock:
                    self._open[target] = copy
        finally:
            if not (folder / "index.json").exists():
                if copy is not None:
                    copy.close()
                shutil.rmtree(folder, ignore_errors=True)
        return copy is not None

    @override
    def drop_index(self, index: str) -> None:
        folder = self._folder(index)
        with self._lock:
            self._write_aliases({alias: target for alias, target in self.aliases().items() if target != index})
            opened = self._open.pop(index, None)
            if opened is not None:
                opened.close()
            if not folder.exists():
                return
            part = self._root / f"{_PART}{uuid.uuid4()}"
            folder.rename(part)
            sync(self._root)
        shutil.rmtree(part, ignore_errors=True)

    @override
    def indexes(self) -> list[str]:
        return sorted(path.parent.name for path in self._root.glob("*/index.json") if _NAME.fullmatch(path.parent.name))

    @override
    def set_alias(self, alias: str, index: str) -> None:
        with self._lock:
            self._require(index)
            self._write_aliases({**self.aliases(), alias: index})

    @override
    def drop_alias(self, alias: str) -> None:
        with self._lock:
            self._write_aliases({known: index for known, index in self.aliases().items() if known != alias})

    @override
    def aliases(self) -> dict[str, str]:
        file = self._root / "aliases.json"
        with self._lock:
            aliases: dict[str, str] = json.loads(file.read_bytes()) if file.exists() else {}
        return aliases

    def count(self, index: str, filter: TileFilter) -> int:
        """See `VectorStore`; cached until the index changes, because every page of a search needs it."""
        return self._count_of(index, self._index(index).generation(), filter)

    @override
    def ping(self) -> None:
        if not self._root.is_dir():
            raise Unavailable(f"vector store: the folder {self._root} is missing; mount or restore it")

    @override
    def close(self) -> None:
        with self._lock:
            for opened in self._open.values():
                opened.close()
            self._open.clear()

    def _count_now(self, index: str, _generation: int, tile_filter: TileFilter) -> int:
        return exact_answers.count(self._index(index), tile_filter)

    def _index(self, index: str) -> EdgeIndex:
        with self._lock:
            opened = self._open.get(index)
            if opened is None:
                folder = self._require(index)
                dimension = int(json.loads((folder / "index.json").read_bytes())["dimension"])
                opened = self._open[index] = EdgeIndex(folder / "shard", dimension, reserve=self._reserve)
            return opened

    def _require(self, index: str) -> Path:
        folder = self._folder(index)
        if not (folder / "index.json").exists():
            raise NotFound(f"no index {index!r}; existing indexes: {', '.join(self.indexes()) or 'none'}")
        return folder

    def _folder(self, index: str) -> Path:
        if not _NAME.fullmatch(index):
            raise InvalidInput(
                f"index name {index!r}: use 1 to 200 of the characters A-Z a-z 0-9 . _ -, not starting with a dot"
            )
        return self._root / index

    def _write_aliases(self, aliases: dict[str, str]) -> None:
        if aliases != self.aliases():
            replace_file(self._root / "aliases.json", json.dumps(aliases, indent=1, sort_keys=True).encode())
