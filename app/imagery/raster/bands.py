"""Selection of the bands for the model and for previews."""

from __future__ import annotations

from collections.abc import Sequence

from app.errors import ModelMismatch

RGB = ("red", "green", "blue")
_SENTINEL = ("b04", "b03", "b02")


def choose(names: Sequence[str | None], wanted: Sequence[int | str] | None, count: int) -> list[int]:
    """0-based positions of the bands for a model with `count` input bands.

    names: of the file's bands in order, None for a band without a name. wanted: 1-based indexes or names (case is ignored);
    None: red, green, blue if the file names them and the model takes three, else the first ones. A single grey band is used
    three times.

    Raises:
        ModelMismatch: the file does not have a band, or the number of bands differs from the model's.
    """
    if wanted is None:
        positions = (find_rgb(names) if count == 3 else None) or list(range(min(count, len(names))))
    else:
        positions = [_position(names, band) for band in wanted]
    if len(positions) == 1 and count == 3:
        positions *= 3
    if len(positions) != count:
        has = f"{len(wanted)} bands are selected" if wanted is not None else f"the file has {_plural(len(names))}"
        raise ModelMismatch(f"{has}, but the model takes {_plural(count)}; choose another model or set the collection's bands")
    return positions


def choose_for_eye(names: Sequence[str | None], positions: Sequence[int]) -> list[int]:
    """Positions of one grey or three colour bands for previews: red, green, blue, else the first of the model's bands."""
    found = find_rgb(names)
    if found is not None:
        return found
    distinct = list(dict.fromkeys(positions))
    return distinct[:3] if len(distinct) >= 3 else distinct[:1]


def find_rgb(names: Sequence[str | None]) -> list[int] | None:
    """Positions of red, green and blue by their names, or None."""
    folded = [(name or "").casefold() for name in names]
    for colours in (RGB, _SENTINEL):
        if all(colour in folded for colour in colours):
            return [folded.index(colour) for colour in colours]
    return None


def _position(names: Sequence[str | None], band: int | str) -> int:
    if isinstance(band, int):
        if 1 <= band <= len(names):
            return band - 1
        raise ModelMismatch(f"band {band} is selected, but the file has {_plural(len(names))}; bands are counted from 1")
    folded = [(name or "").casefold() for name in names]
    if band.casefold() in folded:
        return folded.index(band.casefold())
    known = ", ".join(name for name in names if name) or "without names; select them by number"
    raise ModelMismatch(f"band {band!r} is selected, but the file's bands are {known}")


def _plural(count: int) -> str:
    return f"{count} band" if count == 1 else f"{count} bands"
