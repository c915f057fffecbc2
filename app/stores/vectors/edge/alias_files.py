"""The names of the live indexes, in two files.

::

    aliases.json         {alias: index}, replaced atomically
    aliases-copy.json    a second copy, used if the first one is damaged
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from pathlib import Path

from app.atomic_files import replace_file

log = logging.getLogger(__name__)

_FILE, _COPY = "aliases.json", "aliases-copy.json"


class AliasFiles:
    """The files of aliases in a folder. Not thread-safe."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: tuple[tuple[int, ...], dict[str, str]] = ((), {})

    def read(self) -> dict[str, str]:
        """The index of each alias; a missing or damaged file is written again from its copy."""
        stamp = self._stamp()
        if stamp and stamp == self._known[0]:
            return dict(self._known[1])
        aliases = self._content(_FILE)
        if aliases is not None:
            self._known = stamp, dict(aliases)
        if aliases is None:
            aliases = self._content(_COPY)
            if aliases is not None:
                log.warning("%s is damaged or missing; its copy is used", self._root / _FILE)
                replace_file(self._root / _FILE, _encoded(aliases))
        return aliases or {}

    def write(self, aliases: dict[str, str], *, always: bool = False) -> None:
        """Write the aliases if they changed. always: also a copy that is missing."""
        if always or aliases != self.read():
            self._known = ((), {})
            for name in (_FILE, _COPY):
                if self._content(name) != aliases:
                    replace_file(self._root / name, _encoded(aliases))

    def _stamp(self) -> tuple[int, ...]:
        """What changes with the file; empty if it is missing."""
        try:
            found = (self._root / _FILE).stat()
        except FileNotFoundError:
            return ()
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _content(self, name: str) -> dict[str, str] | None:
        """The content of a file of aliases; None if it is missing. A damaged one is set aside under another name."""
        file = self._root / name
        try:
            aliases = json.loads(file.read_bytes())
            if isinstance(aliases, dict) and all(isinstance(index, str) and "." in index for index in aliases.values()):
                return aliases
        except FileNotFoundError:
            return None
        except ValueError:
            pass
        aside = file.with_name(f"{name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S}")
        file.rename(aside)
        log.error("%s is damaged; it was set aside as %s", file, aside.name)
        return None


def _encoded(aliases: dict[str, str]) -> bytes:
    return json.dumps(aliases, indent=1, sort_keys=True).encode()
