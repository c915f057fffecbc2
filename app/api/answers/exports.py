"""Answers that are files with all items: written while they are sent, or in the staging folder first."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

from fastapi import Request
from fastapi.responses import StreamingResponse

from app.container import Container
from app.domain.indexes import Live
from app.errors import InvalidInput
from app.services.export.columns import Feature
from app.services.export.formats import SEQUENCE, Format
from app.services.export.text_files import csv_rows, geojson_lines

CHUNK = 1 << 20


def export_response(
    request: Request,
    container: Container,
    chosen: Format,
    features: Iterable[Feature],
    columns: Mapping[str, str],
    *,
    name: str,
    embeddings_of: Live | None = None,
) -> StreamingResponse:
    """A file with all features. name: of the layer and the file. embeddings_of: the index whose embeddings are added.

    Raises:
        InvalidInput: embeddings in another format than GeoParquet, or the extra `gis` is not installed.
    """
    if embeddings_of is not None and chosen.name != "parquet":
        raise InvalidInput("embeddings are in GeoParquet only: send f=parquet")
    if chosen.name == "geojsonseq":
        with_separators = SEQUENCE in request.headers.get("accept", "")
        pieces = _begun(geojson_lines(features, with_separators=with_separators))
        media_type = SEQUENCE if with_separators else chosen.media_types[0]
    elif chosen.name == "csv":
        pieces, media_type = _begun(csv_rows(features, columns)), "text/csv; charset=utf-8"
    else:
        write = _writer(container, chosen, features, columns, name, embeddings_of)
        pieces = _file(container, chosen.suffix, write)
        media_type = chosen.media_types[0]
    headers = {"Content-Disposition": f'attachment; filename="{name}{chosen.suffix}"', "Vary": "Accept"}
    return StreamingResponse(pieces, media_type=media_type, headers=headers)


def _begun(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same pieces, after the first one was made, so that an error is answered as a problem."""
    return chain([next(pieces, b"")], pieces)


def _writer(
    container: Container,
    chosen: Format,
    features: Iterable[Feature],
    columns: Mapping[str, str],
    name: str,
    embeddings_of: Live | None,
) -> Callable[[Path], None]:
    if any(find_spec(module) is None for module in ("pyarrow", "pyogrio")):
        raise InvalidInput(f"f={chosen.name} needs the extra `gis` on the server: pip install 'dyad[gis]'")
    from app.services.export.binary_files import write_layer, write_parquet  # heavy, and only with the extra

    if chosen.name != "parquet":
        return lambda path: write_layer(path, chosen.name, features, columns, name)
    if embeddings_of is None:
        return lambda path: write_parquet(path, features, columns, None, {})
    index, note = embeddings_of.index, {"model": embeddings_of.model, "index_version": embeddings_of.version}

    def with_vectors(path: Path) -> None:
        write_parquet(path, features, columns, lambda ids: container.vectors.retrieve_vectors(index, ids).embedding, note)

    return with_vectors


def _file(container: Container, suffix: str, write: Callable[[Path], None]) -> Iterator[bytes]:
    """The content of a new file, which is deleted when it was sent."""
    folder = container.folders.new()
    try:
        path = folder / f"export{suffix}"
        write(path)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return _sent(path, folder)


def _sent(path: Path, folder: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while piece := file.read(CHUNK):
                yield piece
    finally:
        shutil.rmtree(folder, ignore_errors=True)
