"""Labels from the names of folders, the same by every way in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import unquote

from pydantic import TypeAdapter, ValidationError

from app.domain.metadata import Label
from app.domain.naming.urls import is_url
from app.domain.tiles import MAX_LABELS
from app.services.ingest.incoming.sources import Note, SourceFile

_LABEL: TypeAdapter[str] = TypeAdapter(Label)


class FolderLabels:
    """Labels files with the names of their folders, and counts those that get no label."""

    def __init__(self) -> None:
        self._without: list[str] = []
        self._count = 0

    def apply(self, source: SourceFile, listed: SourceFile) -> SourceFile:
        """The file with its folder's name as an additional label. listed: the file, zip or STAC item that it is from."""
        outer = listed.name if source.name.startswith(f"{listed.name}#") else source.name
        label = folder_label(outer) if "/" in outer else _valid(listed.folder or "")
        if label is None:
            self._count += not source.metadata.labels
            if self._count == 1 and not self._without and not source.metadata.labels:
                self._without.append(source.name)
            return source
        labels = tuple(dict.fromkeys((*source.metadata.labels, label)))[:MAX_LABELS]
        return replace(source, metadata=source.metadata.model_copy(update={"labels": labels}))

    def notes(self) -> Iterator[Note]:
        """One note about the files without a label, if there are any."""
        if self._count:
            files = "this file has" if self._count == 1 else f"this file and {self._count - 1} more have"
            yield Note(
                self._without[0], f"labels_from_folders: {files} no label, because no folder with a usable name contains them"
            )


def folder_label(name: str) -> str | None:
    """The label that the folder in a source name gives; None without a folder, as at the top of a zip or a web server."""
    if is_url(name):
        scheme_and_host, _, path = name.partition("://")[2].partition("/")
        return folder_label(unquote(path)) if scheme_and_host else None
    parts = name.replace("\\", "/").split("/") if ".zip/" in name.lower() else name.split("/")
    folder = parts[-2] if len(parts) > 1 else ""
    return None if folder.lower().endswith(".zip") else _valid(folder)


def _valid(folder: str) -> str | None:
    try:
        return _LABEL.validate_python(folder.replace(",", " "))
    except ValidationError:
        return None
