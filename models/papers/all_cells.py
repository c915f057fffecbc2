"""All cells, the most important first, and all sections of the document."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from models.papers import frozen_trunk, label_noise, protocol_b, sensitivity, unseen
from models.papers.protocol_a import cell_list, tables
from models.papers.results import Cell, Results


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the document: a pattern of the cells' keys, and the function that renders them."""

    keys: str
    table: Callable[[Results], str]

    def render(self, results: Results) -> str:
        """The section as Markdown; the command to run if no cell is measured."""
        if not fnmatch.filter(results.measured(), self.keys):
            return f"Not run yet: `make results ARGS=\"--only '{self.keys}'\"`."
        return self.table(results)


SECTIONS: Mapping[str, Section] = MappingProxyType(
    {
        "table-1": Section("a-table1-*", tables.render_table1),
        "table-2": Section("a-table2-*", tables.render_table2),
        "table-3": Section("a-table3-*", tables.render_table3),
        "figures-7-10": Section("a-fig*", tables.render_figures),
        "protocol-b": Section("b-*", protocol_b.render),
        "frozen-trunk": Section("frozen-*", frozen_trunk.render),
        "unseen": Section("unseen-*", unseen.render),
        "noise": Section("noise-*", label_noise.render),
        "sensitivity": Section("[sr]*-seed*", sensitivity.render),
    }
)
"""Sections by the name of their marks in docs/results.md."""

FIRST = ("a-table2-*", tables.OURS, "b-20-*", "b-5-*", "frozen-*", "unseen-*", "a-table3-*", "noise-*", "a-table1-*", "b-*")
"""Patterns of keys in order of importance; other keys come last."""


def all_cells(scale: str) -> list[Cell]:
    """All cells, the most important first; the first seed before others."""
    cells = [
        cell for part in (cell_list, protocol_b, frozen_trunk, unseen, label_noise, sensitivity) for cell in part.cells(scale)
    ]
    return sorted(cells, key=lambda cell: _place(cell.key))


def _place(key: str) -> int:
    return next((place for place, pattern in enumerate(FIRST) if fnmatch.fnmatch(key, pattern)), len(FIRST))
