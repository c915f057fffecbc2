"""Compute the tables of the papers and write them to docs/results.md, and their plots to build/results/plots.html.

Measured cells are not measured again; an interrupted cell resumes from its checkpoint.

    python -m models.papers                      # measure all missing cells, the most important first
    python -m models.papers --list               # list the cells and whether they are measured
    python -m models.papers --only 'a-*'         # measure some cells, by key
    python -m models.papers --scale paper        # use the papers' settings, for GPUs
    python -m models.papers --tables-only        # only write the tables
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import sys
from pathlib import Path

import torch
from rich.console import Console

from models.papers.all_cells import SECTIONS, all_cells
from models.papers.markdown import insert
from models.papers.plots_page import draw
from models.papers.results import Context, Results
from models.training.allocator import keep_freed_memory

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "results.md"
FIGURES = ROOT / "docs" / "figures"
PLOTS_FILE = "plots.html"


def main() -> int:
    """The program; returns its exit status."""
    options = _options()
    keep_freed_memory()
    console = Console(stderr=True, highlight=False)
    results = Results(FIGURES, options.scale)
    cells = [cell for cell in all_cells(options.scale) if fnmatch.fnmatch(cell.key, options.only)]
    if options.list:
        for cell in cells:
            sys.stdout.write(f"{'done' if results.read(cell.key) else 'to do':6} {cell.key}\n")
        return 0
    if options.threads:
        torch.set_num_threads(options.threads)
    context = Context(
        options.data, options.work / "cache", options.work, options.scale, lambda text: console.print(text, highlight=False)
    )
    if not options.tables_only:
        for place, cell in enumerate(cells, 1):
            try:
                console.print(f"[{place}/{len(cells)}] {cell.key}", markup=False)
                results.measure(cell, context)
            except KeyboardInterrupt:
                console.print("stopped; run the same command to resume")
                return 130
    for name, section in SECTIONS.items():
        insert(DOCUMENT, name, section.render(results))
    plots = draw(results)
    if plots is not None:
        options.work.mkdir(parents=True, exist_ok=True)
        (options.work / PLOTS_FILE).write_text(plots, encoding="utf-8")
        console.print(f"wrote {options.work / PLOTS_FILE}", soft_wrap=True)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m models.papers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("DYAD_DATA", ROOT.parent / "shared" / "data")))
    parser.add_argument(
        "--work",
        type=Path,
        default=ROOT / "build" / "results",
        help="folder of checkpoints and decoded images (default: %(default)s)",
    )
    parser.add_argument("--scale", choices=("small", "paper"), default="small")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="keys of cells to measure, with wildcards")
    parser.add_argument("--threads", type=int, default=0, help="number of CPU threads (default: all)")
    parser.add_argument("--list", action="store_true", help="list the cells and exit")
    parser.add_argument("--tables-only", action="store_true", help="write the tables without measuring")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
