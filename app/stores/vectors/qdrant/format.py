"""The format of a Qdrant collection that is an index of Dyad: payload indexes and version.

The format is in the collection's metadata, `{"dyad": {"format": n, "home": id}}`, with the id of the installation that owns it.
Format 1 has no metadata and is otherwise equal to 2.
"""

from __future__ import annotations

from typing import Any

from qdrant_client import QdrantClient, models

from app.errors import IndexTooNew, NotFound, Unavailable
from app.stores.vectors.payload import DATETIME_INDEX, FLOAT_INDEXES, GEO_INDEX, KEYWORD_INDEXES
from app.stores.vectors.qdrant.calls import Calls

FORMAT = 2
OLDEST_SERVER = (1, 16)
_LONG = 120
"""Seconds to wait for a payload index of existing tiles."""

FIELDS: dict[str, models.PayloadSchemaType] = {
    **dict.fromkeys(KEYWORD_INDEXES, models.PayloadSchemaType.KEYWORD),
    **dict.fromkeys(FLOAT_INDEXES, models.PayloadSchemaType.FLOAT),
    DATETIME_INDEX: models.PayloadSchemaType.DATETIME,
    GEO_INDEX: models.PayloadSchemaType.GEO,
}


def metadata(owner: str, version: int = FORMAT) -> dict[str, Any]:
    """The metadata of a collection. owner: id of the installation, "" if it is not known. version: of the format."""
    return {"dyad": {"format": version, **({"home": owner} if owner else {})}}


def owner_of(found: dict[str, Any] | None) -> str:
    """The id of the installation that owns a collection with this metadata; "" without a mark."""
    ours = (found or {}).get("dyad")
    return str(ours.get("home", "")) if isinstance(ours, dict) else ""


def check_server(version: str) -> None:
    """Raise `Unavailable` for a server without ACORN and collection metadata."""
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if len(numbers) == 2 and numbers < OLDEST_SERVER:
        wanted = ".".join(map(str, OLDEST_SERVER))
        raise Unavailable(f"vector store: the Qdrant server at DYAD_VECTORS_URL is {version}; upgrade it to {wanted} or newer")


def open_collection(client: QdrantClient, calls: Calls, name: str) -> int:
    """The dimension of a collection, which is upgraded to this version's format first.

    Raises:
        IndexTooNew: a newer version wrote it. NotFound: it is not an index of Dyad.
    """
    info = calls(client.get_collection, name)
    vectors = info.config.params.vectors
    if not isinstance(vectors, models.VectorParams) or vectors.distance != models.Distance.COSINE:
        raise NotFound(f"collection {name} on the Qdrant server is not an index of this service; rename or delete it there")
    found = format_of(info.config.metadata)
    if found > FORMAT:
        raise IndexTooNew(
            f"collection {name} on the server has format {found}, written by a newer version of Dyad; this version reads up to "
            f"{FORMAT}: upgrade Dyad, or index the images again under another DYAD_QDRANT_PREFIX"
        )
    add_fields(client, calls, name, set(info.payload_schema))
    if found < FORMAT:
        calls(client.update_collection, name, metadata=metadata(owner_of(info.config.metadata)))
    return vectors.size


def add_fields(client: QdrantClient, calls: Calls, name: str, known: set[str]) -> None:
    """Create the missing payload indexes; for a new collection all of them, before its data."""
    for field, kind in FIELDS.items():
        if field not in known:
            calls(client.create_payload_index, name, field, kind, wait=True, timeout=_LONG)


def format_of(found: dict[str, Any] | None) -> int:
    """The format of a collection with this metadata."""
    ours = (found or {}).get("dyad")
    return int(ours.get("format", 1)) if isinstance(ours, dict) else 1
