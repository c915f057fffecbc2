"""The tag of a stored tile image that records how its scene was prepared, so that the image as a query is prepared alike."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

from app.domain.collections import Scaling
from app.domain.tiles import BandRange

TAG = "DYAD_TILE"


def tile_tags(
    scaling: Scaling, positions: Sequence[int], ranges: tuple[BandRange, ...] | None, platform: str | None
) -> dict[str, str]:
    """The tags of a tile image. positions: of the model's bands. ranges: the stretch of the scene. platform: of the scene."""
    facts = {"scaling": scaling.model_dump(mode="json"), "bands": list(positions), "stretch": ranges}
    return {TAG: json.dumps(facts), **({"PLATFORM": platform} if platform else {})}


def is_tile(tags: Mapping[str, str]) -> bool:
    """Whether a file is a tile image that was cut from a scene."""
    return TAG in tags


def recorded_stretch(tags: Mapping[str, str], scaling: Scaling, positions: Sequence[int]) -> tuple[BandRange, ...] | None:
    """The stretch in the tags of a tile image, if it was computed for the same scaling and bands; else None."""
    try:
        facts = json.loads(tags.get(TAG, "null"))
        if facts is None or facts["scaling"] != scaling.model_dump(mode="json") or facts["bands"] != list(positions):
            return None
        ranges = tuple((float(low), float(high)) for low, high in facts["stretch"] or ())
    except (ValueError, TypeError, KeyError, RecursionError):  # written by another program
        return None
    is_valid = len(ranges) == len(positions) and all(low < high and math.isfinite(high - low) for low, high in ranges)
    return ranges if is_valid else None
