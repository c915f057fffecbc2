"""Groups of files that are looked up in the index together."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from app.services.ingest.incoming.sources import Found, SourceFile

LOOKED_UP = 64
LOOKED_UP_BYTES = 64 << 20
LOOKED_UP_SECONDS = 0.5


def look_up_groups(sources: Iterable[Found]) -> Iterator[list[Found]]:
    """Group files for a look-up; limited in number, in bytes of temporary copies and in waiting time."""
    group: list[Found] = []
    size, begun = 0, time.monotonic()
    for source in sources:
        group.append(source)
        if isinstance(source, SourceFile) and source.temporary:
            size += source.path.stat().st_size
        if len(group) == LOOKED_UP or size > LOOKED_UP_BYTES or time.monotonic() > begun + LOOKED_UP_SECONDS:
            yield group
            group, size, begun = [], 0, time.monotonic()
    if group:
        yield group
