"""A `CutSpec` with defaults for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.domain.collections import Scaling
from app.imagery.tiling.tiler import CutSpec, CutTile, cut


def spec(scaling: Scaling | None = None, **changes: Any) -> CutSpec:
    """64 pixel tiles side by side for a model of 64 x 64 RGB."""
    defaults: dict[str, Any] = {
        "tile_size": 64, "stride": 64, "bands": None, "band_count": 3, "input_size": 64, "max_pixels": 10_000_000,
    }  # fmt: skip
    return CutSpec(**{**defaults, **changes}, scaling=scaling or Scaling())


def tiles(path: Path, wanted: CutSpec | None = None, name: str | None = None, **options: Any) -> list[CutTile]:
    """The tiles of a file that are not skipped."""
    pieces = cut(path, name or path.name, wanted or spec(), **options)
    return [piece for piece in pieces if piece is not None]
