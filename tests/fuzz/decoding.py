"""Decodes untrusted files in a child process that is watched: `python -m tests.fuzz.decoding FOLDER` is the child.

The child reads `{name} {kind}` lines from stdin, decodes the file in FOLDER as an ingest, a query or an import does, and
answers each with a JSON line. `decode_all` is the parent: it ends a child that exceeds the limits, and continues with the next
file.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from app.domain.collections import Scaling
from app.errors import DyadError
from app.imagery.pictures.previews import thumbnail
from app.imagery.sources.archives import extract
from app.imagery.sources.file_kinds import FileKind, sniff
from app.imagery.sources.stac_catalogues import list_stac_items, read_stac_catalogue
from app.imagery.sources.stac_items import read_stac_item
from app.imagery.tiling.tiler import CutSpec, count_windows, cut, read_query
from app.inference.bundle_zip import unpack_bundle
from app.inference.bundles import check_bundle
from app.services.labels.labels import read_rows
from app.settings import Settings
from tests.fuzz.malformed import Malformed
from tests.support.process import ROOT, environment

SPEC = CutSpec(64, 64, None, 3, Scaling(), 128, Settings.model_fields["max_pixels"].default)
MAX_TILES = 40
"""Tiles that are cut from one file; the number of tiles of a scene is not the decoder's matter."""
MAX_UNPACKED = 64 << 20
START_SECONDS = 60.0
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Outcome:
    """outcome: `read`, `refused` (a `DyadError`), `uncaught`, `crashed`, `too slow` or `too much memory`.

    detail: the message. seconds, megabytes: duration, and the process's peak resident memory during this file.
    """

    name: str
    outcome: str
    detail: str
    seconds: float
    megabytes: float

    @property
    def is_right(self) -> bool:
        """Whether the file was read or refused with a reason."""
        return self.outcome in ("read", "refused") and (self.outcome == "read" or len(self.detail) > 10)


def decode_all(files: Iterable[Malformed], seconds: float, megabytes: float) -> Iterator[Outcome]:
    """Decode files in a child process, one after the other. seconds, megabytes: limits for one file."""
    with tempfile.TemporaryDirectory() as folder:
        child: _Child | None = None
        try:
            for file in files:
                path = Path(folder) / file.name
                path.write_bytes(file.data)
                child = child or _Child(folder)
                outcome = child.decode(file, seconds, megabytes)
                if outcome.outcome in ("crashed", "too slow", "too much memory"):
                    child.close()
                    child = None
                path.unlink()
                yield outcome
        finally:
            if child is not None:
                child.close()


class _Child:
    """A running child process."""

    def __init__(self, folder: str) -> None:
        command = [sys.executable, "-m", "tests.fuzz.decoding", folder]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(command, cwd=ROOT, env=environment(OMP_NUM_THREADS="1"), text=True, **pipes)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._into, self._out = self._process.stdin, self._process.stdout
        if not select.select([self._out], [], [], START_SECONDS)[0] or self._out.readline() != "ready\n":
            self.close()
            raise RuntimeError("the decoding process did not start")

    def decode(self, file: Malformed, seconds: float, megabytes: float) -> Outcome:
        """Send one file and wait for the answer, watching time and memory."""
        self._into.write(f"{file.name} {file.kind}\n")
        self._into.flush()
        started, peak = time.monotonic(), 0.0
        while not select.select([self._out], [], [], POLL_SECONDS)[0]:
            peak = max(peak, _resident(self._process.pid))
            spent = time.monotonic() - started
            if peak > megabytes:
                return Outcome(file.name, "too much memory", "", spent, peak)
            if spent > seconds:
                return Outcome(file.name, "too slow", "", spent, peak)
        spent, line = time.monotonic() - started, self._out.readline()
        if not line:
            return Outcome(file.name, "crashed", f"exit status {self._process.wait()}", spent, peak)
        answer = json.loads(line)
        peak = answer["megabytes"]
        outcome = "too much memory" if peak > megabytes else answer["outcome"]
        return Outcome(file.name, outcome, answer["detail"], spent, peak)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        self._into.close()
        self._out.close()


def _resident(pid: int) -> float:
    """Resident memory of a process in MB; 0 if it has ended."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    return 0.0


def main(folder: Path) -> None:
    """The child: decode the files that stdin names."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        name, kind = line.split()
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")  # begins a new peak
        try:
            detail, outcome = str(_decode(folder / name, kind)), "read"
        except DyadError as error:
            detail, outcome = f"{type(error).__name__}: {error}", "refused"
        except Exception:  # noqa: BLE001 - any other exception is the fault that is sought
            detail, outcome = traceback.format_exc(limit=-4), "uncaught"
        sys.stdout.write(json.dumps({"outcome": outcome, "detail": detail, "megabytes": _peak()}) + "\n")
        sys.stdout.flush()


def _peak() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


def _decode(path: Path, kind: str) -> int:
    """Decode a file; the number of tiles, rows, items or graphs."""
    if kind == "labels":
        return sum(1 for _ in read_rows(path))
    if kind == "stac":
        return _decode_stac(path)
    if kind == "zip":
        return _decode_zip(path)
    if kind == "bundle":
        return _decode_bundle(path)
    return _decode_image(path)


def _decode_image(path: Path) -> int:
    """As an ingest does, and as a query and a thumbnail."""
    count_windows(path, SPEC)
    tiles = sum(1 for _ in islice(cut(path, path.name, SPEC), MAX_TILES))
    read_query(path.read_bytes(), SPEC)
    if sniff(path) is FileKind.IMAGE:
        thumbnail(path.read_bytes(), 256, SPEC.max_pixels)
    return tiles


def _decode_zip(path: Path) -> int:
    with tempfile.TemporaryDirectory() as folder:
        tiles = 0
        for _, member in extract(path, path.name, Path(folder), MAX_UNPACKED):
            if isinstance(member, Path):
                with suppress(DyadError):
                    tiles += _decode_image(member)
        return tiles


def _decode_stac(path: Path) -> int:
    document = read_stac_catalogue(path)
    if document is None:
        return len(read_stac_item(path).images)
    return sum(1 for _ in list_stac_items(path, document, lambda place, _body=None: (place, Path(str(place)))))


def _decode_bundle(path: Path) -> int:
    folder = path.with_name(f"{path.name}.unpacked")
    try:
        unpack_bundle(path, folder, MAX_UNPACKED)
        check_bundle(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 1


if __name__ == "__main__":
    main(Path(sys.argv[1]))
