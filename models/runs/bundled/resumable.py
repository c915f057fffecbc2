"""Runs a program that keeps what it has computed, and that resumes after Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable

import torch
from rich.console import Console


def run_resumable(work: Callable[[Console], object], threads: int) -> int:
    """Do the work of a program; returns its exit status. work: called with a console for progress. threads: 0 for all."""
    console = Console(stderr=True)
    if threads:
        torch.set_num_threads(threads)
    try:
        work(console)
    except KeyboardInterrupt:
        console.print("stopped; run the same command to resume from the last checkpoint")
        return 130
    return 0
