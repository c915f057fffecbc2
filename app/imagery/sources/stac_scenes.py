"""The scenes of a STAC Item: its images, and one for its files of single bands, stacked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.errors import InvalidInput
from app.imagery.raster.windows import TileGrid
from app.imagery.sources.stac_assets import StacImage

STACK = "bands"
"""The key of a stacked scene, where others have the key of their asset."""
RGB = ("red", "green", "blue")


@dataclass(frozen=True, slots=True)
class BandChoice:
    """What a collection takes of a scene. bands: its setting, 1-based indexes or names, None if not set. count: of its model.
    grid: of its tiles.
    """

    bands: tuple[int | str, ...] | None = None
    count: int = 3
    grid: TileGrid = field(default_factory=TileGrid)


@dataclass(frozen=True, slots=True)
class StacScene:
    """One scene. images: one image, or the files of its bands in order. names: of these bands."""

    key: str
    images: tuple[StacImage, ...]
    names: tuple[str, ...] = ()


def choose_scenes(images: Sequence[StacImage], choice: BandChoice) -> tuple[list[StacScene], str | None]:
    """The scenes to index, and a note about the images that are left out.

    Files of single bands become one scene of the bands that the collection takes: those of its setting; without it red, green
    and blue, or all if the model takes as many. Without the setting, an image that has these bands itself is preferred.

    Raises:
        InvalidInput: the Item has only files of single bands, and they do not fit; the message says how to choose them.
    """
    bands = _distinct([image for image in images if image.band is not None])
    others = [image for image in images if image.band is None]
    if len(bands) + len(others) == 1 or not bands:
        return [StacScene(image.key, (image,)) for image in (*bands, *others)], None
    chosen = _chosen(bands, choice) if choice.bands is not None or not others or choice.count != len(RGB) else None
    if chosen is not None:
        used = tuple(chosen.values())
        left = [image.key for image in (*bands, *others) if image not in used]
        note = _note(left, "the collection's `bands` select others by name") if left else None
        return [StacScene(STACK, used, tuple(chosen))], note
    if not others:
        raise InvalidInput(_refusal(bands, choice))
    note = _note(
        [image.key for image in bands], "files of single bands beside a whole image; the collection's `bands` select them"
    )
    return [StacScene(image.key, (image,)) for image in others], note


def _distinct(bands: Sequence[StacImage]) -> list[StacImage]:
    """One file for each band: a TIFF rather than the same band as JPEG 2000."""
    found: dict[str, StacImage] = {}
    for image in bands:
        name = image.names[0]
        if name not in found or (found[name].is_jpeg2000 and not image.is_jpeg2000):
            found[name] = image
    return list(found.values())


def _chosen(bands: Sequence[StacImage], choice: BandChoice) -> dict[str, StacImage] | None:
    """The bands of the stack by the names that they get, in order; None if a band that the collection takes is not there."""
    if choice.bands is not None:
        wanted = {band: _find(bands, band) for band in choice.bands}
        if None in wanted.values():
            return None
        last = max((band for band in choice.bands if isinstance(band, int)), default=0)
        numbered = {_name(image): image for image in bands[:last]}  # all of them, so that the numbers stay right
        return numbered | {band: image for band, image in wanted.items() if isinstance(band, str) and image is not None}
    if choice.count == len(RGB):
        colours = {colour: image for colour in RGB if (image := _find(bands, colour)) is not None}
        if len(colours) == len(RGB):
            return colours
    return {_name(image): image for image in bands} if len(bands) == choice.count else None


def _find(bands: Sequence[StacImage], band: int | str) -> StacImage | None:
    if isinstance(band, int):
        return bands[band - 1] if 1 <= band <= len(bands) else None
    return next((image for image in bands if band.lower() in image.names), None)


def _name(image: StacImage) -> str:
    return image.common or image.band or image.key


def _note(left: Sequence[str], why: str) -> str:
    return f"left out: {', '.join(left[:20])}{', ...' if len(left) > 20 else ''} ({why})"


def _refusal(bands: Sequence[StacImage], choice: BandChoice) -> str:
    has = ", ".join(image.common or image.key for image in bands[:20])
    if choice.bands is not None:
        lacking = [str(band) for band in choice.bands if _find(bands, band) is None]
        wrong = f"the collection's bands {', '.join(lacking)} are not among them"
    else:
        wrong = (
            f"the model takes {choice.count}; set the collection's `bands` to {choice.count} of these names"
            " (a band may be repeated)"
        )
    return f"the STAC Item has one file for each band ({has}): {wrong}"
