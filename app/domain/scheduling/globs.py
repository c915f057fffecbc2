"""Absolute path patterns with `**`, matched part by part, so that a directory walk can skip folders that cannot match."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

ANY_DEPTH = "**"
MAGIC = re.compile(r"[*?\[]")

State = frozenset[int]
"""Match state of a path: the indexes of the pattern parts that may match next. Empty: nothing below can match."""


def has_magic(text: str) -> bool:
    """Whether a text is a pattern rather than a path."""
    return MAGIC.search(text) is not None


@dataclass(frozen=True, slots=True)
class Glob:
    """A pattern. base: folder that contains all matches. parts: patterns of the names below; `**` is any number of folders."""

    base: Path
    parts: tuple[str, ...]

    @classmethod
    def parse(cls, pattern: str) -> Glob:
        """Split an absolute pattern before its first wildcard; a pattern without wildcards matches a single file."""
        parts = PurePosixPath(pattern).parts
        plain = next((number for number, part in enumerate(parts) if has_magic(part)), len(parts))
        split = max(1, min(plain, len(parts) - 1))
        return cls(Path(*parts[:split]), parts[split:])

    @property
    def start(self) -> State:
        """The state of `base`."""
        return self._closed({0})

    def step(self, state: State, name: str) -> State:
        """The state of the entry `name` of a folder with the given state."""
        following = set()
        for number in state:
            if number < len(self.parts) and self.parts[number] == ANY_DEPTH:
                following.add(number)
            elif number < len(self.parts) and fnmatchcase(name, self.parts[number]):
                following.add(number + 1)
        return self._closed(following)

    def accepts(self, state: State) -> bool:
        """Whether a file with this state matches."""
        return len(self.parts) in state

    def matches(self, path: str) -> bool:
        """Whether an absolute path matches."""
        parts, base = PurePosixPath(path).parts, self.base.parts
        if parts[: len(base)] != base or len(parts) == len(base):
            return False
        state = self.start
        for part in parts[len(base) :]:
            state = self.step(state, part)
        return self.accepts(state)

    def _closed(self, numbers: set[int]) -> State:
        """Add the parts after each `**`, because `**` may match no folder."""
        for number in sorted(numbers):
            following = number
            while following < len(self.parts) and self.parts[following] == ANY_DEPTH:
                following += 1
                numbers.add(following)
        return frozenset(numbers)
