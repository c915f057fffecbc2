"""The manifest of an index folder: its files with their sizes, so that missing and truncated files are found before the engine
opens the shard. The engine serves a shard without a missing segment, and the process ends with SIGBUS on a truncated file.

`manifest.json` holds {"dimension", "home", "is_open", "files": {path: [size, crc32 or null]}}. It is written when the shard is
opened, flushed and closed. After an unclean end (`is_open`) the files may have grown, so a child process opens the shard first.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

from app.atomic_files import replace_file
from app.errors import Damaged
from app.python_modules import module_environment

INDEX, MANIFEST, SHARD = "index.json", "manifest.json", "shard"
CURE = "restore it from a backup, or run `dyad doctor --repair`"
_CHECKSUM_BYTES = 1 << 16
_PROBE_SECONDS = 300


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
    """Write the manifest of an index folder with the current files of its shard."""
    dimension, owner = read_description(folder)
    files = {}
    for path in sorted((folder / SHARD).rglob("*")):
        with suppress(FileNotFoundError):  # the engine may remove a file
            if path.is_file():
                size = path.stat().st_size
                files[str(path.relative_to(folder))] = [size, _checksum(path, size)]
    document = {"dimension": dimension, "home": owner, "is_open": is_open, "files": files}
    replace_file(folder / MANIFEST, json.dumps(document).encode())


def check_files(folder: Path) -> bool:
    """Compare the files of an index with its manifest. Returns whether the shard is known to be intact; else probe it.

    Raises:
        Damaged: a file is missing or truncated.
    """
    read_description(folder)
    if not (folder / SHARD).is_dir():
        raise Damaged(f"vector store: index {folder.name!r}: the folder {folder / SHARD} is missing; {CURE}")
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        is_open, files = bool(manifest["is_open"]), dict(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return False  # of a version without manifests, or damaged itself
    is_same = True
    for name, (size, checksum) in files.items():
        path = folder / name
        if is_open and "/wal/" in name:
            continue  # the engine replaces these files while it runs
        found = path.stat().st_size if path.is_file() else -1
        if found < size:
            what = "is missing" if found < 0 else f"is truncated ({found} of {size} bytes)"
            raise Damaged(f"vector store: index {folder.name!r}: the file {path} {what}; {CURE}")
        is_same = is_same and found == size and (checksum is None or checksum == _checksum(path, size))
    return is_same and not is_open


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


def _checksum(path: Path, size: int) -> int | None:
    """The CRC-32 of a small file, None for a large one."""
    return zlib.crc32(path.read_bytes()) if size <= _CHECKSUM_BYTES else None
