"""Shared by the programs of this package: parsing of arguments, and errors in one line. Free of torch."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

INTERRUPTED = 130


class UsageError(ValueError):
    """Invalid or contradictory arguments; the message is one line for people."""


def run_program(body: Callable[[], int], failures: tuple[type[Exception], ...]) -> int:
    """Run a program; returns its exit status: its own, 2 for wrong usage, 1 for `failures` and file errors, 130 for Ctrl-C.

    Prints the reason of a failure as one line on stderr.
    """
    try:
        return body()
    except UsageError as error:
        status, reason = 2, str(error)
    except failures as error:
        status, reason = 1, str(error)
    except OSError as error:
        status, reason = 1, f"{error.filename}: {error.strerror}" if error.filename else str(error)
    except KeyboardInterrupt:
        status, reason = INTERRUPTED, "stopped"
    sys.stderr.write(f"dyad: {' '.join(reason.split())}\n")
    return status


def parse_folders(texts: Iterable[str]) -> dict[str, Path]:
    """Parse `FOLDER` or `NAME=FOLDER` texts to folders by name; the default name is the folder's.

    Raises:
        UsageError: two have the same name, or a folder does not exist.
    """
    folders: dict[str, Path] = {}
    for text in texts:
        name, equals, rest = text.partition("=")
        is_named = bool(equals and name) and not Path(text).is_dir()
        folder = Path(rest if is_named else text)
        name = name if is_named else folder.resolve().name
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder; give a folder with one sub-folder per class")
        if name in folders:
            raise UsageError(f"two data sets have the name {name!r}; give other names with NAME=FOLDER")
        folders[name] = folder
    return folders


def parse_names(text: str | None) -> tuple[str, ...]:
    """The non-empty parts of a comma-separated text."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def parse_bands(text: str | None) -> tuple[int, ...] | None:
    """Parse comma-separated 1-based band numbers to 0-based ones; None for all bands.

    Raises:
        UsageError: a part is not a number of at least 1.
    """
    parts = parse_names(text)
    if any(not part.isdecimal() or int(part) < 1 for part in parts):
        raise UsageError(f"{text!r} is not a list of bands; give band numbers counted from 1, as in 3,2,1")
    return tuple(int(part) - 1 for part in parts) or None


def default_cache() -> Path:
    """Folder of decoded images: `dyad/pixels` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dyad" / "pixels"
