"""Malformed files of every format that Dyad reads: each is read or refused with a reason, within limits of time and memory.

python benchmarks/bench_decoder_fuzz.py [--files 300] [--seed 0] [--seconds 20] [--megabytes 1500] [--keep FOLDER]

Valid JPEG, PNG, WebP, TIFF (stripped, tiled, compressed, BigTIFF, with masks, alpha and control points), zip, STAC, CSV,
GeoJSON and model bundle files are cut, changed, spliced, given the header of another file, or given an absurd size. A child
process decodes them as an ingest, a query, a label import and the addition of a model do. Exit status 1 after a crash, an
exception that is not a `DyadError`, or an exceeded limit; --keep writes these files, and a seed gives the same files again.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._table import machine_line, print_table
from tests.fuzz.decoding import Outcome, decode_all
from tests.fuzz.malformed import large_files, malformed_files


def main() -> None:
    """Decode the files; a row for each format, and the worst time and memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=20, help="limit for one file")
    parser.add_argument("--megabytes", type=float, default=1500, help="limit of resident memory")
    parser.add_argument("--keep", type=Path, help="folder for the files that were neither read nor refused")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        malformed = malformed_files(Path(folder), options.files, options.seed)
        files = {file.name: file for file in (*malformed, *large_files(Path(folder)))}
    outcomes = []
    for outcome in decode_all(files.values(), options.seconds, options.megabytes):
        outcomes.append(outcome)
        sys.stderr.write(f"\rfile {len(outcomes)} of {len(files)}" + ("\n" if len(outcomes) == len(files) else ""))
    wrong = [outcome for outcome in outcomes if not outcome.is_right]
    print(machine_line())
    print_outcomes(outcomes)
    slowest, largest = max(outcomes, key=lambda each: each.seconds), max(outcomes, key=lambda each: each.megabytes)
    print(f"longest: {slowest.name}, {slowest.seconds:.2f} s; most memory: {largest.name}, {largest.megabytes:.0f} MB")
    for outcome in wrong:
        print(f"\n{outcome.name} (seed {options.seed}): {outcome.outcome}\n{outcome.detail}")
        if options.keep is not None:
            options.keep.mkdir(parents=True, exist_ok=True)
            (options.keep / outcome.name).write_bytes(files[outcome.name].data)
    sys.exit(bool(wrong))


def print_outcomes(outcomes: list[Outcome]) -> None:
    """Counts by format."""
    formats: dict[str, list[Outcome]] = {"all": outcomes}
    for outcome in outcomes:
        formats.setdefault(outcome.name.rpartition(".")[2], []).append(outcome)
    rows = []
    for name, found in formats.items():
        counts = Counter(outcome.outcome for outcome in found)
        slowest, largest = max(each.seconds for each in found), max(each.megabytes for each in found)
        numbers = [len(found), counts["read"], counts["refused"], sum(not outcome.is_right for outcome in found)]
        rows.append([name, *map(str, numbers), f"{slowest:.2f}", f"{largest:.0f}"])
    print_table("malformed files", ["format", "files", "read", "refused", "other", "longest, s", "peak, MB"], rows)


if __name__ == "__main__":
    main()
