"""Output of commands: tables, summaries and progress bars for people, one JSON document for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

PIPE_WIDTH = 1000
SHOWN_REJECTIONS = 20


def notice(text: str) -> None:
    """Print one line on stderr."""
    sys.stderr.write(" ".join(text.split()) + "\n")


def say(text: str) -> None:
    """Print one line on stdout."""
    sys.stdout.write(text + "\n")


def print_json(document: Any) -> None:
    """Print the document of `--json`."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = (), whole: Sequence[str] = ()
) -> None:
    """Print a plain table. right: columns aligned right. whole: columns that are never wrapped (identifiers, to copy)."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", no_wrap=name in whole, overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPE_WIDTH)
    console.print(table)


def print_fields(fields: dict[str, object]) -> None:
    """Print names and values, one per line, without empty values."""
    shown = {name: value for name, value in fields.items() if value not in (None, "", [], {}, ())}
    width = max((len(name) for name in shown), default=0)
    for name, value in shown.items():
        say(f"{name.ljust(width)}  {value}")


def list_rejected(result: Mapping[str, Any]) -> None:
    """Print the files that a job rejected, with the reasons, on stderr."""
    shown = result["rejected"][:SHOWN_REJECTIONS]
    for each in shown:
        notice(f"rejected {each['file_name']}: {each['reason']}")
    if result["rejected_count"] > len(shown):
        notice(f"... and {result['rejected_count'] - len(shown)} more (--json lists {len(result['rejected'])} of them)")


def is_all_rejected(result: Mapping[str, Any]) -> bool:
    """Whether an ingest rejected every file."""
    return bool(result["rejected"]) and not any(result.get(name) for name in ("indexed", "unchanged", "files"))


def list_notes(result: Mapping[str, Any]) -> None:
    """Print the remarks of a job about files (what it left out, and why) on stderr."""
    notes = result.get("notes", [])
    for each in notes[:SHOWN_REJECTIONS]:
        notice(f"note on {each['file_name']}: {each['note']}")
    more = result.get("notes_count", 0) - len(notes[:SHOWN_REJECTIONS])
    if more > 0:
        notice(f"... and {more} more notes (--json lists {len(notes)} of them)")


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[float, str], None]]:
    """Yield a function that shows progress (percent, message) as a bar on stderr, or nothing if that is not a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda percent, message: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=100, note="")

        def show(percent: float, message: str) -> None:
            progress.update(task, completed=percent, note=message)

        yield show
