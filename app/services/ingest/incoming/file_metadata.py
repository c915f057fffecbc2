"""The metadata that a client sends with an upload, applied to its files."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import replace

from app.domain.metadata import FileMetadata
from app.services.ingest.incoming.sources import SourceFile


class UploadMetadata:
    """Metadata by file name. used: keys that matched a file."""

    def __init__(self, entries: Mapping[str, FileMetadata]) -> None:
        self._entries = entries
        self._keys = {unicodedata.normalize("NFC", key): key for key in reversed(list(entries))}
        self.used: set[str] = set()

    @property
    def keys(self) -> list[str]:
        """All keys, in the client's order."""
        return list(self._entries)

    def apply(self, source: SourceFile, listed: SourceFile) -> SourceFile:
        """The file with the metadata of its source name, its path within its zip, or its file name; for the images of a STAC
        item, also of the item's file. It takes precedence over what the file has, field by field.

        listed: the uploaded file that it is from.
        """
        names = self._names(source.name)
        if source.name.startswith(f"{listed.name}#"):
            names += self._names(listed.name)
        self.mark(*names)
        key = next((self._keys[name] for name in names if name in self._keys), None)
        return source if key is None else _merged(source, self._entries[key])

    def mark(self, *names: str) -> None:
        """Count the keys for these names of a file as used, also if the file is rejected."""
        for name in names:
            self.used.update(self._keys[each] for each in self._names(name) if each in self._keys)

    @staticmethod
    def _names(name: str) -> list[str]:
        return [unicodedata.normalize("NFC", each) for each in (name, name.split(".zip/", 1)[-1], name.rsplit("/", 1)[-1])]


def _merged(source: SourceFile, entry: FileMetadata) -> SourceFile:
    """The file with the fields that the entry names."""
    changes = {name: getattr(entry, name) for name in entry.model_fields_set}
    has_place = entry.footprint() is not None
    if has_place:
        changes |= {"geometry": entry.geometry, "bbox": entry.bbox}
    if source.metadata.properties:
        changes["properties"] = {**source.metadata.properties, **entry.properties}
    metadata = source.metadata.model_copy(update=changes)
    return replace(source, metadata=metadata, place_if_missing=source.place_if_missing and not has_place)
