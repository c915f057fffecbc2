"""The embedded vector store: a folder per index, and a file of aliases.

::

    aliases.json, aliases-copy.json    see `alias_files`
    {index}/index.json         {"dimension": D, "home": id}; an index exists if this file exists
    {index}/manifest.json      the files of the shard, see `manifest`
    {index}/shard/             the engine's files
    {index}/table/             the search table, see `table.table_files`; may be deleted while the service is stopped
    {index}/building           the index is being built; if there is no `index.json` yet, the next start deletes the folder
    .part-*                    an index being created or removed; deleted at the next start
"""

from __future__ import annotations

import logging
import re
import shutil
import threading
import uuid
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from typing_extensions import override

from app.atomic_files import replace_file, sync
from app.domain.queries.search import TileFilter
from app.errors import Conflict, Damaged, InvalidInput, NotFound, OutOfSpace, Unavailable
from app.stores.vectors import exact_answers
from app.stores.vectors.edge.alias_files import AliasFiles
from app.stores.vectors.edge.copy_shard import copy_with_vectors
from app.stores.vectors.edge.edge_index import EdgeIndex, check_space
from app.stores.vectors.edge.manifest import (
    CURE,
    INDEX,
    SHARD,
    check_files,
    describe,
    probe,
    read_description,
    recover_description,
    write_manifest,
)
from app.stores.vectors.edge.table.table_files import load
from app.stores.vectors.edge.tabled_index import TABLE_FROM, TabledIndex
from app.stores.vectors.indexed_store import IndexedStore, Step, Transform, transformed

log = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
_PART = ".part-"
_BUILDING = "building"
DEFAULT_RESERVE = 256 << 20


class EdgeVectorStore(IndexedStore):
    """`VectorStore` over Qdrant Edge. One process at a time; shards are opened when they are first used.

    root: the folder, created if missing. reserve: free bytes below which writes fail with `OutOfSpace`. table_from: points from
    which on an index gets a search table.
    """

    def __init__(self, root: Path, *, reserve: int = DEFAULT_RESERVE, table_from: int = TABLE_FROM) -> None:
        self._root = root
        self._reserve = reserve
        self._table_from = table_from
        self._aliases = AliasFiles(root)
        self._lock = threading.RLock()
        self._open: dict[str, TabledIndex] = {}
        self._installation = ""
        self._count_of = lru_cache(maxsize=256)(self._count_now)
        root.mkdir(parents=True, exist_ok=True)
        for folder in root.iterdir():
            if folder.is_dir():
                self._clean(folder)
        with suppress(OSError):
            self._aliases.write(self.aliases(), always=bool(self.indexes()))

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
            replace_file(part / INDEX, describe(dimension, self._installation))
            write_manifest(part, is_open=False)
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
        (folder / _BUILDING).touch()
        copy = None
        try:
            copy = copy_with_vectors(opened, folder / SHARD, transform, step, reserve=self._reserve)
            if copy is not None:
                sync(self._root)
                replace_file(folder / INDEX, describe(opened.dimension, self._installation))
                write_manifest(folder, is_open=True)
                (folder / _BUILDING).unlink()
                with self._lock:
                    self._open[target] = copy
        finally:
            if not (folder / INDEX).exists():
                if copy is not None:
                    copy.close()
                shutil.rmtree(folder, ignore_errors=True)
        return copy is not None

    @override
    def drop_index(self, index: str) -> None:
        folder = self._folder(index)
        with self._lock:
            self._aliases.write({alias: target for alias, target in self.aliases().items() if target != index})
            opened = self._open.pop(index, None)
            if opened is not None:
                opened.close()
            if not folder.exists():
                return
            self._refuse_foreign(folder)
            part = self._root / f"{_PART}{uuid.uuid4()}"
            folder.rename(part)
            sync(self._root)
        shutil.rmtree(part, ignore_errors=True)

    @override
    def indexes(self) -> list[str]:
        return sorted(path.parent.name for path in self._root.glob(f"*/{INDEX}") if _NAME.fullmatch(path.parent.name))

    @override
    def owners(self) -> dict[str, str]:
        owners = {}
        for index in self.indexes():
            try:
                owners[index] = read_description(self._root / index)[1]
            except Damaged:
                owners[index] = ""
        return owners

    @override
    def claim(self, installation: str, unmarked: Sequence[str]) -> None:
        self._installation = installation
        for index in unmarked:
            with suppress(Damaged):
                dimension, _ = read_description(self._root / index)
                replace_file(self._root / index / INDEX, describe(dimension, installation))

    @override
    def check(self, index: str) -> None:
        with self._lock:
            if index not in self._open and not check_files(self._require(index)):
                self._index(index)  # probes it

    @override
    def damage(self) -> list[str]:
        folders = [path for path in self._root.iterdir() if path.is_dir() and not path.name.startswith(_PART)]
        strange = [path for path in folders if not (path / INDEX).exists() and not (path / _BUILDING).exists()]
        return [f"{path}: the folder has no {INDEX} and is not used; delete it, or restore it" for path in sorted(strange)]

    @override
    def refuses_writes(self) -> str | None:
        try:
            check_space(self._root, self._reserve)
        except OutOfSpace as error:
            return str(error)
        return None

    @override
    def set_alias(self, alias: str, index: str) -> None:
        with self._lock:
            self._require(index)
            self._aliases.write({**self.aliases(), alias: index})

    @override
    def drop_alias(self, alias: str) -> None:
        with self._lock:
            self._aliases.write({known: index for known, index in self.aliases().items() if known != alias})

    @override
    def aliases(self) -> dict[str, str]:
        with self._lock:
            return self._aliases.read()

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

    def _index(self, index: str) -> TabledIndex:
        with self._lock:
            opened = self._open.get(index)
            if opened is None:
                opened = self._open[index] = self._load(self._require(index))
            return opened

    def _require(self, index: str) -> Path:
        folder = self._folder(index)
        if not (folder / INDEX).exists() and folder.exists():
            raise Damaged(f"vector store: index {index!r}: the file {folder / INDEX} is missing; {CURE}")
        if not folder.exists() and index in self.aliases().values():
            raise Damaged(f"vector store: index {index!r}: the folder {folder} is missing; {CURE}")
        if not folder.exists():
            raise NotFound(f"no index {index!r}; existing indexes: {', '.join(self.indexes()) or 'none'}")
        return folder

    def _folder(self, index: str) -> Path:
        if not _NAME.fullmatch(index):
            raise InvalidInput(
                f"index name {index!r}: use 1 to 200 of the characters A-Z a-z 0-9 . _ -, not starting with a dot"
            )
        return self._root / index

    def _load(self, folder: Path) -> TabledIndex:
        """Open a shard whose files are complete."""
        is_intact = check_files(folder)
        dimension, _ = read_description(folder)
        table = load(folder, dimension) if is_intact else None
        if is_intact:
            write_manifest(folder, is_open=True)
        else:
            probe(folder)
        opened = TabledIndex(folder / SHARD, dimension, reserve=self._reserve, table=table, table_from=self._table_from)
        if not is_intact:
            write_manifest(folder, is_open=True)
        return opened

    def _clean(self, folder: Path) -> None:
        """Delete an unfinished index; write a damaged `index.json` again if that is possible."""
        if folder.name.startswith(_PART) or ((folder / _BUILDING).exists() and not (folder / INDEX).exists()):
            shutil.rmtree(folder, ignore_errors=True)
            return
        with suppress(OSError):
            (folder / _BUILDING).unlink(missing_ok=True)
            folder.rmdir()  # empty: killed before the index was begun
            return
        try:
            read_description(folder)
        except Damaged as error:
            is_recovered = recover_description(folder)
            log.warning("%s%s", error, "; it was written again" if is_recovered else "")

    def _refuse_foreign(self, folder: Path) -> None:
        with suppress(Damaged):
            owner = read_description(folder)[1]
            if owner not in ("", self._installation):
                raise Conflict(f"index {folder.name!r} belongs to another installation of Dyad and is not deleted")
