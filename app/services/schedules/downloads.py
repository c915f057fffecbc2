"""Downloads of the web sources of a schedule, for one run."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import replace
from pathlib import Path

from app.domain.naming.urls import Url
from app.services.ingest.incoming.read_policy import ReadPolicy
from app.services.ingest.incoming.sources import SourceFile


class Downloads:
    """Fetches files that `read_policy` allows into a new folder below `folder`, which the job of the run deletes.

    max_bytes: size limit of one file.
    """

    def __init__(self, read_policy: ReadPolicy, folder: Path, max_bytes: int) -> None:
        self._read_policy = read_policy
        self._folder = folder / f"web-{uuid.uuid4().hex}"
        self._max_bytes = max_bytes

    def document(self, url: Url, body: bytes | None = None) -> Path:
        """Fetch a catalogue, a page of Items or an Item, once per run. body: JSON that is sent by POST; None for GET.

        Raises:
            Forbidden, InvalidInput, TooLarge, OutOfSpace: see `RemoteFiles.fetch`.
        """
        path = self._folder / hashlib.sha256(str(url).encode() + b"\n" + (body or b"")).hexdigest()
        if not path.exists():
            self._fetch(str(url), path, allow_query=True, body=body)
        return path

    def file(self, source: SourceFile) -> SourceFile:
        """Fetch a file that has a URL; it is deleted after it has been read.

        Raises:
            Forbidden, InvalidInput, TooLarge, OutOfSpace: see `RemoteFiles.fetch`.
        """
        path = self._folder / uuid.uuid4().hex
        stamp = self._fetch(str(source.url), path)
        return replace(source, path=path, temporary=True, is_fetched=True, stamp=stamp)

    def stamp(self, url: str) -> str | None:
        """What changes with a file on the web, None if its server does not tell; see `RemoteFiles.stamp`."""
        return self._read_policy.web().stamp(url, check=self._read_policy.check)

    def _fetch(self, url: str, path: Path, *, allow_query: bool = False, body: bytes | None = None) -> str | None:
        self._folder.mkdir(exist_ok=True)
        return self._read_policy.fetch(url, path, self._max_bytes, allow_query=allow_query, body=body)
