"""Command-line arguments that the programs of the bundles share."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

ROOT = Path(__file__).parents[3]
BUNDLES = ROOT / "app" / "inference" / "bundled"


def make_parser(description: str | None, *, bundles: bool = True) -> argparse.ArgumentParser:
    """A parser with --data, --work and --threads. bundles: and --bundles, for a program that reads bundles."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    data, work = Path(os.environ.get("DYAD_DATA", ROOT.parent / "shared" / "data")), ROOT / "build" / "bundled"
    parser.add_argument("--data", type=Path, default=data, help="folder of the data sets (default: %(default)s)")
    parser.add_argument("--work", type=Path, default=work, help="folder of maps and checkpoints (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=0, help="number of CPU threads (default: all)")
    if bundles:
        parser.add_argument("--bundles", type=Path, default=BUNDLES, help="folder of bundles (default: %(default)s)")
    return parser
