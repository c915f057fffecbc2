"""Common names of bands (`red`, `nir`, `swir16`, ...) from the names that sensors and tools give them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set

_ROLES = {
    "coastal", "blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "nir09", "cirrus", "swir16",
    "swir22", "pan", "thermal",
}  # fmt: skip
_SENTINEL_2 = {
    "1": "coastal", "2": "blue", "3": "green", "4": "red", "5": "rededge1", "6": "rededge2", "7": "rededge3", "8": "nir",
    "8a": "nir08", "9": "nir09", "10": "cirrus", "11": "swir16", "12": "swir22",
}  # fmt: skip
_OLI = {
    "1": "coastal", "2": "blue", "3": "green", "4": "red", "5": "nir", "6": "swir16", "7": "swir22", "8": "pan", "9": "cirrus",
    "10": "thermal", "11": "thermal",
}  # fmt: skip
_TM = {"1": "blue", "2": "green", "3": "red", "4": "nir", "5": "swir16", "6": "thermal", "7": "swir22", "8": "pan"}
_MSS = {"4": "green", "5": "red", "6": "nir08", "7": "nir"}
_MODIS = {"1": "red", "2": "nir", "3": "blue", "4": "green", "5": "nir12", "6": "swir16", "7": "swir22"}
_PLANETSCOPE = {
    3: ("red", "green", "blue"),
    4: ("blue", "green", "red", "nir"),
    8: ("coastal", "blue", "green_i", "green", "yellow", "red", "rededge1", "nir"),
}
_RAPIDEYE = ("blue", "green", "red", "rededge1", "nir")
_NAIP = ("red", "green", "blue", "nir")
_NUMBERED = re.compile(r"^(?:(sr|toa|st|sur_refl|nadir_reflectance)[_ ]?)?(?:band|b)[_ -]?0?(\d{1,2}a?)(?:\b|_|$)")
_LANDSAT_BEFORE_8 = re.compile(r"^(?:landsat|lm|lt|le)[-_]?0?([1-7])$")
_WORDS = {
    "r": "red", "g": "green", "b": "blue", "n": "nir", "red": "red", "green": "green", "blue": "blue", "nir": "nir",
    "infrared": "nir",
    "pan": "pan", "panchromatic": "pan", "coastal": "coastal", "aerosol": "coastal", "yellow": "yellow", "cirrus": "cirrus",
    "swir1": "swir16", "swir2": "swir22", "swir16": "swir16", "swir22": "swir22", "swir": "swir16", "rededge": "rededge1",
}  # fmt: skip


def common_names(names: Sequence[str | None], platform: str | None = None) -> list[str | None]:
    """The common name of each band, None where its name is not known.

    names: as the file has them: `B04`, `B4`, `SR_B4`, `sur_refl_b01`, `Band 4 - Red`, `red`. platform: as returned by
    `platforms.platform`; without it, numbered names are those of Sentinel-2 and Landsat 8 and 9, unless the set of names fits
    Landsat 4 to 7 only, or merely counts the bands from 1.
    """
    folded = [re.sub(r"^(?:reflectance|radiance|bandname)[_ ]", "", (name or "").casefold().strip()) for name in names]
    numbers = [_NUMBERED.match(name) for name in folded]
    table = _table(folded, platform)
    found: list[str | None] = []
    for name, number in zip(folded, numbers, strict=True):
        found.append(_by_word(name) or (table.get(number[2]) if number else None))
    return found


def _table(folded: Sequence[str], platform: str | None) -> Mapping[str, str]:
    """Common names by band number."""
    known = (platform or "").casefold().replace("_", "-").replace(" ", "-")
    matches = [match for match in map(_NUMBERED.match, folded) if match]
    numbers, prefixes = {match[2] for match in matches}, {match[1] for match in matches}
    if known.startswith(("terra", "aqua", "modis")) or prefixes & {"sur_refl", "nadir_reflectance"}:
        return _MODIS
    if known:
        return _by_platform(known, numbers, len(folded))
    if "sr" in prefixes and {"1", "2", "3"} <= numbers and ("4" not in numbers or numbers == set("123457")):
        return _TM
    is_counted = numbers == {str(number) for number in range(1, len(folded) + 1)} and not prefixes - {None}
    if is_counted and (len(folded) < 7 or any(name.startswith("band") for name in folded)):
        return {}  # `Band 1`, `Band 2`, ...: tools number bands like this, whatever the sensor
    is_oli = "sr" in prefixes or "st" in prefixes or numbers == set("1234567")
    return _OLI if is_oli else _SENTINEL_2


def _by_platform(known: str, numbers: Set[str], count: int) -> Mapping[str, str]:
    """Common names by band number of a known platform; empty if it is none of the common ones."""
    old = _LANDSAT_BEFORE_8.match(known)
    if old:
        return _MSS if int(old[1]) <= 3 or (int(old[1]) <= 5 and numbers == set(_MSS)) else _TM
    if known.startswith(("landsat", "lc", "lo")):
        return _OLI
    if known.startswith("sentinel-2"):
        return _SENTINEL_2
    rows: Sequence[str] = ()
    if known.startswith(("planetscope", "ps2", "psb")):
        rows = _PLANETSCOPE.get(count, ())
    elif known.startswith(("rapideye", "naip")):
        rows = (_RAPIDEYE if known.startswith("rapideye") else _NAIP)[:count]
    return {str(number): name for number, name in enumerate(rows, 1)}


def _by_word(name: str) -> str | None:
    """The common name that a description states, as `Band 4 - Red`, `Red (665 nm)`, `near_infrared` or `R`."""
    text = re.sub(r"[^a-z0-9]+", " ", name).strip()
    text = re.sub(
        r"\b(near|short ?wave|shortwave) ?(infrared|ir)\b", lambda match: "nir" if match[1] == "near" else "swir", text
    )
    text = re.sub(r"\bswir (?=[12]\b)", "swir", text)
    text = re.sub(r"\b(red|vegetation red) ?edge ?(\d?)\b", lambda match: f"rededge{match[2] or 1}", text)
    if text in _ROLES or text in _WORDS:
        return _WORDS.get(text, text)
    words = text.split()
    if "thermal" in words or words == ["green", "i"]:
        return "thermal" if "thermal" in words else "green_i"
    stated = [word for word in words if len(word) > 1 and (word in _WORDS or word in _ROLES)]
    if "coastal" in stated or "pan" in stated:
        return "coastal" if "coastal" in stated else "pan"
    distinct = {_WORDS.get(word, word) for word in stated}
    return distinct.pop() if len(distinct) == 1 else None
