"""Malformed files of every format are read or refused with a reason: no other exception, no crash, bounded time and memory.

`benchmarks/bench_decoder_fuzz.py` does the same with more files and other seeds.
"""

from __future__ import annotations

from pathlib import Path

from tests.fuzz.decoding import decode_all
from tests.fuzz.malformed import Malformed, malformed_files, valid_files

COUNT, SEED = 120, 0
SECONDS, MEGABYTES = 60.0, 1500.0


def test_undamaged_files_are_read(tmp_path: Path) -> None:
    files = [Malformed(name, kind, data) for name, (kind, data) in valid_files(tmp_path).items()]
    outcomes = {outcome.name: outcome for outcome in decode_all(files, SECONDS, MEGABYTES)}
    assert {name: found for name, found in outcomes.items() if found.outcome != "read"} == {}


def test_malformed_files_are_read_or_refused_with_a_reason(tmp_path: Path) -> None:
    outcomes = list(decode_all(malformed_files(tmp_path, COUNT, SEED), SECONDS, MEGABYTES))
    assert [outcome for outcome in outcomes if not outcome.is_right] == []
    assert {"read", "refused"} == {outcome.outcome for outcome in outcomes}


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = (list(malformed_files(tmp_path / name, 60, 7)) for name in ("one", "two"))
    assert one == two
