"""Opens a shard and reads some of its points: `python -m app.stores.vectors.edge.probe FOLDER`. See `manifest.probe`."""

from __future__ import annotations

import sys

import qdrant_edge as edge

_POINTS = 5000


def main(folder: str) -> None:
    """Open, count and read; the engine raises, or ends the process, if the files are damaged."""
    shard = edge.EdgeShard.load(folder)
    shard.count(edge.CountRequest(exact=True))
    shard.scroll(edge.ScrollRequest(limit=_POINTS, with_payload=True, with_vector=True))
    shard.close()


if __name__ == "__main__":
    main(sys.argv[1])
