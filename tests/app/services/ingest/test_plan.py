"""The plan of a chunked ingest: entries of files and of parts of zips."""

from __future__ import annotations

from app.services.ingest.plan import Entry, slices

CHUNK_FILES = 20


def test_a_zip_is_cut_into_parts() -> None:
    parts = list(slices(Entry(name="a.zip", path="a", size=1000), CHUNK_FILES + 4, CHUNK_FILES))
    assert [(part.members, part.files) for part in parts] == [
        ((0, CHUNK_FILES), CHUNK_FILES),
        ((CHUNK_FILES, CHUNK_FILES + 4), 4),
    ]
