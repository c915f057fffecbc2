"""Portable snapshots: one zip that any engine restores.

`index.json` holds the format and the dimension, each `part-*.npy` (N, D) float32, each `part-*.jsonl` one `[id, payload]` a
line.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.errors import InvalidInput
from app.stores.vectors.index_protocol import Index, Point, scroll_all

SNAPSHOT_FORMAT = 1
_PART = 1000


def write_snapshot(index: Index, target: Path) -> None:
    """Write all points of an index into a new file; tiles written at the same time may or may not be in it."""
    with zipfile.ZipFile(target, "x", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        file.writestr("index.json", json.dumps({"format": SNAPSHOT_FORMAT, "dimension": index.dimension}))
        for number, points in enumerate(scroll_all(index, _PART)):
            array = io.BytesIO()
            np.save(array, np.array([vector for _, vector, _ in points], np.float32), allow_pickle=False)
            file.writestr(f"part-{number:06}.npy", array.getvalue())
            lines = "\n".join(json.dumps([point, payload]) for point, _, payload in points)
            file.writestr(f"part-{number:06}.jsonl", lines)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot that is open for reading. dimension: D, the length of its vectors."""

    dimension: int
    _file: zipfile.ZipFile

    def batches(self, size: int) -> Iterator[list[Point]]:
        """Yield all points, in lists of up to `size`."""
        for name in sorted(name for name in self._file.namelist() if name.endswith(".npy")):
            vectors = np.load(io.BytesIO(self._file.read(name)), allow_pickle=False).tolist()
            records = [json.loads(line) for line in self._file.read(name.replace(".npy", ".jsonl")).splitlines()]
            points = [(point, vector, payload) for (point, payload), vector in zip(records, vectors, strict=True)]
            for at in range(0, len(points), size):
                yield points[at : at + size]


@contextmanager
def open_snapshot(source: Path) -> Iterator[Snapshot]:
    """Open a snapshot for the duration of the block.

    Raises:
        InvalidInput: the file is not a snapshot, is damaged where the block reads it, or has another format.
    """
    try:
        with zipfile.ZipFile(source) as file:
            head = json.loads(file.read("index.json"))
            if head["format"] != SNAPSHOT_FORMAT:
                raise InvalidInput(
                    f"snapshot {source} has format {head['format']}; this version reads {SNAPSHOT_FORMAT} only: upgrade Dyad"
                )
            yield Snapshot(int(head["dimension"]), file)
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise InvalidInput(f"{source} is not a snapshot of an index ({error})") from None
