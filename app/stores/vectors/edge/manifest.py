"""The manifest of an index folder: its files with their sizes, so that missing and truncated files are found before the engine
opens the shard. The engine serves a shard without a missing segment, and the process ends with SIGBUS on a truncated file.

`manifest.json` holds {"dimension", "home", "is_open", "files": {path: [size, crc32 or null]}}. It is written when the shard is
opened, flushed and closed. After a clean end the files must be the same, as far as they have checksums. After an unclean end
(`is_open`) they may have grown, and the engine may have removed its journals, so a child process opens the shard first.

Order of writes, so that a process killed at any moment leaves a manifest that fits: `is_open` is set before the engine opens a
closed shard. The manifest of an unclean shard stays until the engine has opened the shard, because the engine truncates files
whose last record is incomplete. `is_open` is cleared after the engine has closed the shard and its files are on disk.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

from app.atomic_files import replace_file, sync_tree
from app.errors import Damaged
from app.python_modules import module_environment

INDEX, MANIFEST, SHARD = "index.json", "manifest.json", "shard"
CURE = "restore it from a backup, or run `dyad doctor --repair`"
_CHECKED_BYTES = 256 << 20
"""Bytes of the files of an index that have checksums, the smallest files first, so that opening a large index stays fast."""
_BLOCK = 1 << 16
_ZEROS = bytes(_BLOCK)
_PROBE_SECONDS = 300
_REPLACED = re.compile(r"/wal/|/tracker_journal\.dat$|/compacted_tracker\.dat$")
"""Files that the engine removes, truncates or replaces while a shard is open or when it is opened."""


def describe(dimension: int, owner: str) -> bytes:
    """The content of `index.json`."""
    return json.dumps({"dimension": dimension, **({"home": owner} if owner else {})}).encode()


def read_description(folder: Path) -> tuple[int, str]:
    """Dimension and owner ("" without a mark) of an index.

    Raises:
        Damaged: `index.json` cannot be read.
    """
    try:
        found = json.loads((folder / INDEX).read_bytes())
        return int(found["dimension"]), str(found.get("home", ""))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise Damaged(f"vector store: index {folder.name!r}: the file {folder / INDEX} is damaged or missing; {CURE}") from None


def recover_description(folder: Path) -> bool:
    """Write a damaged or missing `index.json` again, from the manifest or the engine's configuration; whether that worked."""
    for file, keys in ((MANIFEST, ("dimension",)), (f"{SHARD}/edge_config.json", ("vectors", "", "size"))):
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            found: Any = json.loads((folder / file).read_bytes())
            owner, dimension = str(found.get("home", "")), found
            for key in keys:
                dimension = dimension[key]
            replace_file(folder / INDEX, describe(int(dimension), owner))
            return True
    return False


def write_manifest(folder: Path, *, is_open: bool) -> None:
    """Write the manifest of an index folder with the current files of its shard; a closed shard is made durable before."""
    if not is_open:
        sync_tree(folder / SHARD)
    dimension, owner = read_description(folder)
    sizes = {}
    for path in (folder / SHARD).rglob("*"):
        with suppress(FileNotFoundError):  # the engine may remove a file
            if path.is_file():
                sizes[path] = path.stat().st_size
    files: dict[str, tuple[int, int | None]] = {}
    left = 0 if is_open else _CHECKED_BYTES  # files of an open shard change
    for path in sorted(sizes, key=lambda path: (sizes[path], path)):
        left -= sizes[path]
        files[str(path.relative_to(folder))] = (sizes[path], _checksum(path) if left >= 0 else None)
    document = {"dimension": dimension, "home": owner, "is_open": is_open, "files": files}
    replace_file(folder / MANIFEST, json.dumps(document).encode())


def check_files(folder: Path) -> bool:
    """Compare the files of an index with its manifest. Returns whether the shard is known to be intact; else probe it.

    Raises:
        Damaged: a file is missing, truncated or changed.
    """
    read_description(folder)
    if not (folder / SHARD).is_dir():
        raise Damaged(f"vector store: index {folder.name!r}: the folder {folder / SHARD} is missing; {CURE}")
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        is_open, files = bool(manifest["is_open"]), dict(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return False  # of a version without manifests, or damaged itself
    for name, (size, checksum) in files.items():
        path = folder / name
        if is_open and _REPLACED.search(name):
            continue
        found = path.stat().st_size if path.is_file() else -1
        if found < size:
            what = "is missing" if found < 0 else f"is truncated ({found} of {size} bytes)"
            raise Damaged(f"vector store: index {folder.name!r}: the file {path} {what}; {CURE}")
        if not is_open and (found != size or checksum not in (None, _checksum(path))):
            raise Damaged(f"vector store: index {folder.name!r}: the file {path} was changed after Dyad closed it; {CURE}")
    return not is_open


def probe(folder: Path) -> None:
    """Open a shard in a child process, which the engine may end.

    Raises:
        Damaged: the child did not succeed.
    """
    command = [sys.executable, "-m", "app.stores.vectors.edge.probe", str(folder / SHARD)]
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            command, env=module_environment(), capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False
        )
        reason = next(iter(done.stderr.strip().splitlines()[-1:]), f"exit status {done.returncode}")
        is_intact = done.returncode == 0
    except subprocess.TimeoutExpired:
        is_intact, reason = False, f"no answer within {_PROBE_SECONDS} s"
    if not is_intact:
        raise Damaged(f"vector store: index {folder.name!r}: the engine cannot open {folder / SHARD} ({reason[:200]}); {CURE}")


def _checksum(path: Path) -> int:
    """The CRC-32 of the blocks of a file that are not zero, with their places. Holes of sparse files are not read."""
    crc, place = 0, 0
    with path.open("rb") as file, suppress(OSError):  # of SEEK_DATA: there is no more data
        while True:
            start = os.lseek(file.fileno(), place, os.SEEK_DATA)
            place = max(place, start - start % _BLOCK)
            end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            while place < end:
                block = os.pread(file.fileno(), _BLOCK, place)
                if block != _ZEROS[: len(block)]:
                    crc = zlib.crc32(block, zlib.crc32(place.to_bytes(8, "big"), crc))
                place += _BLOCK
    return crc
