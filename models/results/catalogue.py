"""Every cell in the order in which it is worth computing, and every section of the document."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from models.results.store import Cell, Results

SECTIONS: Mapping[str, Callable[[Results], str]] = {}
"""What renders each section of docs/results.md, by the name of its marks."""


def all_cells(scale: str) -> list[Cell]:
    """The most important first: what many rows need and what users ask for, then the rest."""
    return []
