"""The files of a state folder, and ways to damage them."""

from __future__ import annotations

import random
from collections.abc import Callable

FIRST = "first"
"""The collection whose files are damaged."""
Damage = Callable[[bytes, random.Random], bytes]
"""Returns the damaged content of a file."""

STATE_FILES = {
    "collection document": f"blobs/catalogue/{FIRST}.json",
    "index record": f"blobs/indexes/{FIRST}/*.json",
    "aliases": "vectors/aliases.json",
    "index document": f"vectors/{FIRST}.*/index.json",
    "shard settings": f"vectors/{FIRST}.*/shard/edge_config.json",
    "segment document": f"vectors/{FIRST}.*/shard/segments/*/segment.json",
    "segment identifiers": f"vectors/{FIRST}.*/shard/segments/*/*id_tracker.mappings",
    "segment payloads": f"vectors/{FIRST}.*/shard/segments/*/payload_storage/page_0.dat",
    "segment vectors": f"vectors/{FIRST}.*/shard/segments/*/vector_storage/vectors/chunk_0.mmap",
    "write-ahead log": f"vectors/{FIRST}.*/shard/wal/open-1",
    "jobs": "jobs.sqlite",
    "version": "version",
    "schedule": f"blobs/schedules/{FIRST}.json",
}
"""Patterns of the state files, each of which is damaged in turn."""
OPTIONAL = ("write-ahead log", "jobs", "version", "schedule")
"""State files that may be absent; the loss of each other one is a scenario, too."""
SEGMENTS = f"vectors/{FIRST}.*/shard/segments"


def empty(data: bytes, _: random.Random) -> bytes:
    """No bytes."""
    return data[:0]


def cut(data: bytes, _: random.Random) -> bytes:
    """The first half."""
    return data[: len(data) // 2]


def flipped(data: bytes, choices: random.Random) -> bytes:
    """One bit inverted, in the part that is not all zeros."""
    used = max(1, len(data.rstrip(b"\0")))
    changed, at = bytearray(data), choices.randrange(used)
    changed[at] ^= 1 << choices.randrange(8)
    return bytes(changed)


def garbage(data: bytes, choices: random.Random) -> bytes:
    """Random bytes, as many as there were; at most 64 KiB of them."""
    return choices.randbytes(min(len(data), 1 << 16)) + data[1 << 16 :]


DAMAGES: tuple[Damage, ...] = (empty, cut, flipped, garbage)
