"""What the programs of this package share: arguments, and failures as one line. Free of torch."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

INTERRUPTED = 130


class UsageError(ValueError):
    """Arguments that contradict each other or cannot be understood; one line meant for a person."""


def run_program(body: Callable[[], int], failures: tuple[type[Exception], ...]) -> int:
    """Exit status of a program: its own, 2 for wrong usage, 1 for `failures` and files that cannot be used, 130 for Ctrl-C.

    Why it failed is one line on stderr.
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
    """`FOLDER` or `NAME=FOLDER` each, to folders by name; a folder's own name where none is given.

    Raises:
        UsageError: two of one name, or no folder.
    """
    folders: dict[str, Path] = {}
    for text in texts:
        name, equals, rest = text.partition("=")
        is_named = bool(equals and name) and not Path(text).is_dir()
        folder = Path(rest if is_named else text)
        name = name if is_named else folder.resolve().name
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder; give one whose sub-folders are the classes")
        if name in folders:
            raise UsageError(f"two data sets are called {name!r}; tell them apart with NAME=FOLDER")
        folders[name] = folder
    return folders


def parse_names(text: str | None) -> tuple[str, ...]:
    """The non-empty parts of a comma-separated text."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def parse_bands(text: str | None) -> tuple[int, ...] | None:
    """1-based numbers of bands, separated by commas, to 0-based ones; None for all bands.

    Raises:
        UsageError: no such numbers.
    """
    parts = parse_names(text)
    if any(not part.isdecimal() or int(part) < 1 for part in parts):
        raise UsageError(f"{text!r}: write the numbers of the bands from 1 on, as in 3,2,1")
    return tuple(int(part) - 1 for part in parts) or None


def default_cache() -> Path:
    """Where decoded images are kept: `dyad/pixels` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dyad" / "pixels"
