"""Every cell in the order in which it is worth computing, and every section of the document."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping
from types import MappingProxyType

from models.results import noise, protocol_a, protocol_a_tables, protocol_b, sensitivity, unseen
from models.results.store import Cell, Results

SECTIONS: Mapping[str, Callable[[Results], str]] = MappingProxyType(
    {
        "table-1": protocol_a_tables.render_table1,
        "table-2": protocol_a_tables.render_table2,
        "table-3": protocol_a_tables.render_table3,
        "figures-7-10": protocol_a_tables.render_figures,
        "protocol-b": protocol_b.render,
        "unseen": unseen.render,
        "noise": noise.render,
        "sensitivity": sensitivity.render,
    }
)
"""What renders each section of docs/results.md, by the name of its marks."""

FIRST = ("a-table2-*", protocol_a_tables.OURS, "b-20-*", "b-5-*", "unseen-*", "a-table3-*", "noise-*", "a-table1-*", "b-*")
"""Keys in the order of their worth; what matches none comes last."""


def all_cells(scale: str) -> list[Cell]:
    """Every cell, the most important first; of the first seed before any other."""
    cells = [cell for part in (protocol_a, protocol_b, unseen, noise, sensitivity) for cell in part.cells(scale)]
    return sorted(cells, key=lambda cell: _place(cell.key))


def _place(key: str) -> int:
    return next((place for place, pattern in enumerate(FIRST) if fnmatch.fnmatch(key, pattern)), len(FIRST))
