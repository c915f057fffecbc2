"""Selection of the bands for the model and for previews."""

from __future__ import annotations

from collections.abc import Sequence

from app.errors import ModelMismatch
from app.imagery.raster.common_names import common_names

RGB = ("red", "green", "blue")


def choose(
    names: Sequence[str | None],
    wanted: Sequence[int | str] | None,
    count: int,
    *,
    common: Sequence[str | None] | None = None,
    model: Sequence[str] = (),
) -> list[int]:
    """0-based positions of the bands for a model with `count` input bands.

    names: of the file's bands in order, None for a band without a name. wanted: 1-based indexes or names (case is ignored);
    None: the bands that the model names if the file names all of them; else red, green, blue if the file names them and the
    model takes three; else the first ones. A single grey band is used three times. common: common names of the bands; None:
    derived from `names`. model: names of the model's bands.

    Raises:
        ModelMismatch: the file does not have a band, or the number of bands differs from the model's.
    """
    common = common_names(names) if common is None else common
    if wanted is None:
        named = _find_all(model, names, common) if len(model) == count else None
        positions = named or (find_rgb(common) if count == 3 else None) or list(range(min(count, len(names))))
    else:
        positions = [_position(names, common, band) for band in wanted]
    if len(positions) == 1 and count == 3:
        positions *= 3
    if len(positions) != count:
        has = f"{len(wanted)} bands are selected" if wanted is not None else f"the file has {_plural(len(names))}"
        raise ModelMismatch(f"{has}, but the model takes {_plural(count)}; choose another model or set the collection's bands")
    return positions


def choose_for_eye(common: Sequence[str | None], positions: Sequence[int]) -> list[int]:
    """Positions of one grey or three colour bands for previews: red, green, blue, else the first of the model's bands."""
    found = find_rgb(common)
    if found is not None:
        return found
    distinct = list(dict.fromkeys(positions))
    return distinct[:3] if len(distinct) >= 3 else distinct[:1]


def find_rgb(common: Sequence[str | None]) -> list[int] | None:
    """Positions of red, green and blue among common names, or None."""
    return [common.index(colour) for colour in RGB] if all(colour in common for colour in RGB) else None


def _find_all(model: Sequence[str], names: Sequence[str | None], common: Sequence[str | None]) -> list[int] | None:
    """Positions of the bands that the model names, by common name or else by name; None unless all are there."""
    folded = [(name or "").casefold() for name in names]
    found: list[int] = []
    for name, meant in zip(model, common_names(model), strict=True):
        if meant is not None and meant in common:
            found.append(common.index(meant))
        elif name.casefold() in folded:
            found.append(folded.index(name.casefold()))
    return found if len(found) == len(model) == len(set(found)) else None


def misfit(common: Sequence[str | None], positions: Sequence[int], model: Sequence[str]) -> str | None:
    """Why the chosen bands are not those that the model was trained on; None if they are, or if it is unknown.

    common: common names of the file's bands. model: names of the model's bands.
    """
    wanted, fed = common_names(model), [common[position] for position in positions]
    pairs = list(zip(wanted, fed, strict=False))
    if all(want is None or have is None or want == have for want, have in pairs):
        return None
    return (
        f"the model was trained on {', '.join(model)}, but gets {', '.join(have or '?' for have in fed)}: similarities are less"
        " reliable; set the collection's bands, or use a model for these bands"
    )


def _position(names: Sequence[str | None], common: Sequence[str | None], band: int | str) -> int:
    if isinstance(band, int):
        if 1 <= band <= len(names):
            return band - 1
        raise ModelMismatch(f"band {band} is selected, but the file has {_plural(len(names))}; bands are counted from 1")
    folded = [(name or "").casefold() for name in names]
    if band.casefold() in folded:
        return folded.index(band.casefold())
    (meant,) = common_names([band])
    if meant is not None and (band.casefold() in common or band[-1:].isdigit()) and meant in common:
        return common.index(meant)
    if band.casefold() in common:
        return common.index(band.casefold())
    known = ", ".join(name for name in names if name) or "without names; select them by number"
    raise ModelMismatch(f"band {band!r} is selected, but the file's bands are {known}")


def _plural(count: int) -> str:
    return f"{count} band" if count == 1 else f"{count} bands"
