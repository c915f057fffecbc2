"""Which file names may become source names: any text without control characters, also with spaces of every kind."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

MAX_NAME = 1024
_REFUSED = {
    "Cc": "the control character",
    "Zl": "the line separator",
    "Zp": "the paragraph separator",
}


def what_is_wrong_with_text(name: str) -> str | None:
    """Why a text is not a valid source name; None if it is."""
    if not PurePosixPath(name).parts or len(name) > MAX_NAME:
        return f"a file name must have 1 to {MAX_NAME} characters; this one has {len(name)}"
    for character in name:
        category = unicodedata.category(character)
        if category == "Cs":
            return "the file name is not valid UTF-8; rename the file"
        if category in _REFUSED:
            return f"the file name contains {_REFUSED[category]} U+{ord(character):04X}; rename the file"
    return None


def what_is_wrong_with_path(name: str, whole: str) -> str | None:
    """Why a text is not a safe relative path; None if it is. whole: what contains the file (`archive`), for the message."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if ".." in parts:
        return f"the path contains `..` and leads out of the {whole}; use plain relative paths (folder/name)"
    if parts[:1] == ("/",):
        return f"the path is absolute and leads out of the {whole}; use plain relative paths (folder/name)"
    if parts and len(parts[0]) > 1 and parts[0][1] == ":" and parts[0][0].isalpha() and parts[0].isascii():
        return f"the path has the drive {parts[0][:2]} and leads out of the {whole}; use plain relative paths (folder/name)"
    return what_is_wrong_with_text(name)
