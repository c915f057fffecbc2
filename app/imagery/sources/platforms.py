"""The platform (satellite or aircraft programme) of a scene, from its tags or its file name."""

from __future__ import annotations

import re
from collections.abc import Mapping

_TAGS = ("SATELLITEID", "SATELLITE", "PLATFORM", "SPACECRAFT_ID")
_NAMES = (
    (re.compile(r"(?:^|[_.])S2([A-D])_"), "sentinel-2"),
    (re.compile(r"(?:^|[_.])S1([A-D])_"), "sentinel-1"),
    (re.compile(r"(?:^|[_.])L[COTEM]0?([4-9])[_\d]"), "landsat-"),
    (re.compile(r"^m_\d{7}_(?:ne|nw|se|sw)()_"), "naip"),
    (re.compile(r"(?:^|[_.])M([OY])D\d\d[A-Z0-9]*[._]"), "modis"),
    (re.compile(r"_3B_()(?:AnalyticMS|Visual|udm)|_PSScene_?()", re.ASCII), "planetscope"),
    (re.compile(r"_RE\d_3A_()|_RapidEye_?()"), "rapideye"),
)


def platform(tags: Mapping[str, str], name: str) -> str | None:
    """The platform in STAC's spelling (`sentinel-2a`, `landsat-8`), or the value of a tag; None if it is unknown.

    tags: of the file, in all its domains. name: of the file, folders allowed before it.
    """
    folded = {key.upper(): value.strip() for key, value in tags.items()}
    for key in _TAGS:
        if folded.get(key):
            return folded[key].casefold().replace("_", "-")
    stem = name.replace("\\", "/").rsplit("/", 1)[-1]
    for pattern, family in _NAMES:
        match = pattern.search(stem)
        if match:
            if family == "modis":
                return "terra" if match[1] == "O" else "aqua"
            return family + (match[1] or "").lower()
    return None
