"""The format of a backup, one zip file, and the check that a backup is complete and undamaged.

::

    blobs/{key}            images, previews, reports, settings of collections, schedules, recent queries
    vectors/{index}        a portable snapshot of each complete index
    models/{id}.zip        added bundles
    jobs.jsonl             jobs that have ended: {"job": {}}, each followed by any number of {"items": []}
    backup.json            `Contents`; written last
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from app.errors import InvalidInput
from app.services.catalogue.collection_store import DOCUMENTS
from app.services.catalogue.indexes import RECORDS
from app.services.schedules.schedule_store import SCHEDULES, STATES
from app.services.search.recent_queries import PREFIX as QUERIES

FORMAT = 1
CONTENTS = "backup.json"
BLOBS, VECTORS, MODELS, JOBS = "blobs/", "vectors/", "models/", "jobs.jsonl"
DURABLE = (DOCUMENTS, RECORDS, QUERIES, SCHEDULES, STATES, "collections/", "reports/")
"""Key prefixes of the blobs in a backup. Other blobs are temporary, or bundles, which are stored separately."""
_CURE = "nothing was changed; use another backup, or write a new one with `dyad backup`"
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


class Contents(BaseModel):
    """backup.json. entries: number of other entries. aliases: live index of each collection. default_model: the active
    model.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    version: str
    created: datetime
    entries: int
    aliases: dict[str, str]
    default_model: str


@contextmanager
def open_backup(path: Path) -> Iterator[tuple[zipfile.ZipFile, Contents]]:
    """Open a backup after a check of its format and of the checksums of all entries.

    Raises:
        InvalidInput: not a backup, one of a newer version, or damaged. OSError: it cannot be read.
    """
    try:
        file = zipfile.ZipFile(path)
    except BROKEN as error:
        raise InvalidInput(f"{path} is not a complete backup ({error}); {_CURE}") from None
    with file:
        yield file, _checked(path, file)


def _checked(path: Path, file: zipfile.ZipFile) -> Contents:
    names = file.namelist()
    if CONTENTS not in names:  # a truncated backup may end with the table of a bundle's zip
        raise InvalidInput(f"{path} is not a complete backup (the entry {CONTENTS} is missing); {_CURE}")
    try:
        contents = Contents.model_validate_json(file.read(CONTENTS))
        damaged = file.testzip()
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"])) or "JSON"
        raise InvalidInput(
            f"{path} is not a backup that this version can read ({CONTENTS}: {place}: {error.errors()[0]['msg']}). Nothing was"
            " changed; use another backup, or a newer version of Dyad"
        ) from None
    except BROKEN as error:
        raise InvalidInput(f"{path} is damaged ({error}); {_CURE}") from None
    if contents.format != FORMAT:
        raise InvalidInput(f"{path} is a backup of format {contents.format}; this version reads format {FORMAT}: upgrade Dyad")
    strange = next((name for name in names if not _is_known(name)), None)
    if damaged is not None or strange is not None or len(names) != contents.entries + 1 or len(set(names)) != len(names):
        raise InvalidInput(f"{path} is damaged (at {damaged or strange or 'its list of entries'}); {_CURE}")
    return contents


def _is_known(name: str) -> bool:
    if name in (CONTENTS, JOBS):
        return True
    folder, _, rest = name.partition("/")
    if any(part in ("", ".", "..") for part in rest.split("/")) or "\\" in rest:
        return False
    return (f"{folder}/" == BLOBS and rest.startswith(DURABLE)) or (f"{folder}/" in (VECTORS, MODELS) and "/" not in rest)
