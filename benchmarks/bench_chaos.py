"""kill -9 during every kind of work, two homes on one store, an unmounted store, and damaged state files: nothing may be lost.

python benchmarks/bench_chaos.py [--kills 100] [--seed 1] [--kinds ingest,label,...] [--only kills|scenarios] [--scenario TEXT]

The kills: a real `dyad serve` (or `dyad backup`) is killed at random moments of an ingest, a re-index, a training, labelling, a
backup, a sync, and of start-up itself, all on one state folder, and started again. The client notes what was acknowledged:
tiles that jobs have reported, labels whose PATCH was answered with 200. After each start all of them must be served once, a
search with a tile's image must find the tile, `/readyz` must be ok, and no job may have failed.

The scenarios: each one is a row with its verdict; see `benchmarks/_chaos_scenarios.py`. Exit status 1 after any loss or failed
scenario.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._chaos_kills import KINDS, Chaos
from benchmarks._chaos_scenarios import Verdict, run_scenarios
from benchmarks._table import machine_line, print_table

COUNTS = ("kills", "hit", "lost tiles", "lost labels", "doubled", "wrong", "failed restarts")
FAULTS = COUNTS[2:]


def main() -> None:
    """Run both parts, print their tables, and exit with status 1 after any fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1, help="seed of the work and of the moments of the kills")
    parser.add_argument("--kinds", default=",".join(KINDS), help=f"kinds of work, of {','.join(KINDS)}")
    parser.add_argument("--only", choices=("kills", "scenarios"))
    parser.add_argument("--scenario", default="", help="only scenarios whose name contains this text")
    options = parser.parse_args()
    kinds = options.kinds.split(",")
    if unknown := set(kinds) - set(KINDS):
        parser.error(f"{', '.join(sorted(unknown))}: not a kind of work; the kinds are {', '.join(KINDS)}")
    print(machine_line())
    is_lossless = True
    if options.only != "scenarios":
        is_lossless &= run_kills(options.kills, kinds, options.seed)
    if options.only != "kills":
        is_lossless &= print_verdicts(run_scenarios(options.seed, options.scenario))
    sys.exit(not is_lossless)


def run_kills(kills: int, kinds: list[str], seed: int) -> bool:
    """Kill so many times, spread over the kinds in random order; whether nothing was lost or wrong."""
    order = [kinds[number % len(kinds)] for number in range(kills)]
    random.Random(seed).shuffle(order)
    with tempfile.TemporaryDirectory() as folder:
        chaos = Chaos(Path(folder), seed)
        try:
            chaos.run(order)
        finally:
            chaos.close()
            print_kills(chaos)
    return not any(row[fault] for row in chaos.rows.values() for fault in FAULTS)


def print_kills(chaos: Chaos) -> None:
    """A row for each kind of work, and the sums."""
    total: Counter[str] = sum(chaos.rows.values(), Counter())
    seconds = [value for values in chaos.ready.values() for value in values]
    rows = [
        [kind, *(str(row[name]) for name in COUNTS), *_seconds(chaos.ready.get(kind, []))] for kind, row in chaos.rows.items()
    ]
    print_table(
        "kill -9 at random moments",
        ["during", *COUNTS, "ready p50, s", "max, s"],
        [*rows, ["all", *(str(total[name]) for name in COUNTS), *_seconds(seconds)]],
    )
    tiles = sum(map(len, chaos.ledger.tiles.values()))
    print(f"acknowledged: {tiles} tiles, {chaos.ledger.acknowledged_labels} labels. hit: the work was running at the kill.")


def _seconds(values: list[float]) -> tuple[str, str]:
    return (f"{median(values):.1f}", f"{max(values):.1f}") if values else ("", "")


def print_verdicts(verdicts: list[Verdict]) -> bool:
    """A row for each scenario, then the faults; whether all passed."""
    failed = [verdict for verdict in verdicts if verdict.faults]
    print_table("scenarios", ["scenario", "verdict"], [[each.scenario, "failed" if each.faults else "ok"] for each in verdicts])
    for verdict in failed:
        print(f"{verdict.scenario}: {'; '.join(verdict.faults)}")
    print(f"{len(verdicts)} scenarios, {len(failed)} failed")
    return not failed


if __name__ == "__main__":
    main()
