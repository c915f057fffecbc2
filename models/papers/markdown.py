"""Markdown tables, and their insertion between marks in a document."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are numbers, right-aligned."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number(value: float | None, digits: int = 2, *, percent: bool = False) -> str:
    """A number as text; an en dash for None. percent: whether to show a share in percent."""
    return "–" if value is None else f"{value * 100 if percent else value:.{digits}f}"


def insert(document: Path, name: str, text: str) -> None:
    """Replace the text between `<!-- NAME -->` and `<!-- /NAME -->` in a document.

    Raises:
        ValueError: the document has no such marks.
    """
    old = document.read_text(encoding="utf-8")
    marks = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- /{re.escape(name)} -->)", re.DOTALL)
    if not marks.search(old):
        raise ValueError(f"{document} has no marks <!-- {name} --> and <!-- /{name} -->")
    document.write_text(marks.sub(lambda found: f"{found[1]}{text}\n{found[2]}", old), encoding="utf-8")
