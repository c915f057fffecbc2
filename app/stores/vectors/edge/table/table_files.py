"""A table's files, beside the shard, from a clean end to the next start.

::

    table/vectors.f32    (N, D) float32
    table/rows.npz       the other arrays, and the checksum of the manifest at that end

`rows.npz` is deleted when it is read, so that after an unclean end the table is built from the shard again.
"""

from __future__ import annotations

import json
import logging
import shutil
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from app.atomic_files import complete_file
from app.stores.vectors.edge.manifest import MANIFEST
from app.stores.vectors.edge.table.search_table import SearchTable

log = logging.getLogger(__name__)

FOLDER = "table"
_VECTORS, _ROWS = "vectors.f32", "rows.npz"


def new_table(folder: Path, dimension: int) -> SearchTable:
    """An empty table of the index in `folder`; its old files are deleted."""
    shutil.rmtree(folder / FOLDER, ignore_errors=True)
    return SearchTable(folder / FOLDER / _VECTORS, dimension)


def save(table: SearchTable, folder: Path) -> None:
    """Write the table of a closed shard; it must not be used any more."""
    count = len(table.is_live.rows)
    table.vectors.exact.close(count)
    arrays: dict[str, Any] = {
        "manifest": np.array(_manifest_of(folder)),
        "label_sets": np.frombuffer(json.dumps(table.fields.known_sets).encode(), np.uint8),
        "error": np.array(table.vectors.error),
        "keys": table.keys.rows,
        "is_live": table.is_live.rows,
        "codes": table.vectors.codes.rows,
        "scales": table.vectors.scales.rows,
        "numbers": np.stack([column.rows for column in table.fields.numbers]),
        "times": table.fields.times.rows,
        "labels": table.fields.label_sets.rows,
    }
    with complete_file(folder / FOLDER / _ROWS) as file:
        np.savez(file, **arrays)


def load(folder: Path, dimension: int) -> SearchTable | None:
    """The table of a shard that is intact and was not opened yet; None if there is none that fits it."""
    file = folder / FOLDER / _ROWS
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
            fits = int(arrays["manifest"]) == _manifest_of(folder) and arrays["codes"].shape[1] == dimension
            table = _loaded(folder, arrays) if fits else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        log.warning("%s is damaged (%s); the search table is built again", file, error)
        table = None
    with suppress(OSError):
        file.unlink()
    return table


def _loaded(folder: Path, arrays: np.lib.npyio.NpzFile) -> SearchTable | None:
    count, dimension = arrays["codes"].shape
    vectors = folder / FOLDER / _VECTORS
    if vectors.stat().st_size != count * dimension * 4:
        return None
    table = SearchTable(vectors, dimension, count)
    table.keys.replace(arrays["keys"])
    table.is_live.replace(arrays["is_live"])
    table.size = int(np.count_nonzero(table.is_live.rows))
    table.vectors.codes.replace(arrays["codes"])
    table.vectors.scales.replace(arrays["scales"])
    table.vectors.error = float(arrays["error"])
    for column, values in zip(table.fields.numbers, arrays["numbers"], strict=True):
        column.replace(values)
    table.fields.times.replace(arrays["times"])
    table.fields.label_sets.replace(arrays["labels"])
    table.fields.use_sets([tuple(labels) for labels in json.loads(arrays["label_sets"].tobytes())])
    return table


def _manifest_of(folder: Path) -> int:
    return zlib.crc32((folder / MANIFEST).read_bytes())
