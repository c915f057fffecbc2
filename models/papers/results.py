"""Storage of measured cells, one JSON file each."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.bundle.code_version import code_version


@dataclass(frozen=True, slots=True)
class Context:
    """Folders and settings for the measurement of cells.

    data: folder with a folder of class folders for each data set. cache: of decoded images. work: of checkpoints and of what
    cells share (trained encoders, say). scale: "small" is what two CPU cores finish in hours, "paper" the published settings.
    say: outputs one line for people.
    """

    data: Path
    cache: Path
    work: Path
    scale: str
    say: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the tables: a few numbers measured together.

    key: also the file's name: lower case, digits, hyphens. settings: all that the numbers depend on. measure: computes plain
    values.
    """

    key: str
    settings: Mapping[str, Any]
    measure: Callable[[Context], Mapping[str, Any]]


class Results:
    """The files of one scale in a folder."""

    def __init__(self, folder: Path, scale: str) -> None:
        self._folder, self.scale = folder / scale, scale

    def measured(self) -> list[str]:
        """The keys of all measured cells, sorted."""
        return sorted(path.stem for path in self._folder.glob("*.json"))

    def read(self, key: str) -> dict[str, Any] | None:
        """The values of a cell, None if it is not measured."""
        path = self._folder / f"{key}.json"
        return dict(json.loads(path.read_text(encoding="utf-8"))["values"]) if path.exists() else None

    def settings(self, key: str) -> dict[str, Any] | None:
        """The settings of a measured cell, None if it is not measured."""
        path = self._folder / f"{key}.json"
        return dict(json.loads(path.read_text(encoding="utf-8"))["settings"]) if path.exists() else None

    def measure(self, cell: Cell, context: Context) -> bool:
        """Measure a cell and store it; returns False if it is stored with the same settings."""
        path = self._folder / f"{cell.key}.json"
        settings = json.loads(json.dumps(dict(cell.settings)))
        if path.exists() and json.loads(path.read_text(encoding="utf-8"))["settings"] == settings:
            return False
        started = time.monotonic()
        values = dict(cell.measure(context))
        document = {
            "key": cell.key,
            "scale": self.scale,
            "settings": settings,
            "values": values,
            "seconds": round(time.monotonic() - started, 1),
            "code_version": code_version(),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        }
        self._folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")
        part.replace(path)
        return True
