"""Randomness as a function of where a run is.

Every step starts from generators seeded by (seed, step, rank). What came before cannot be felt, so that a run that is resumed
at a step draws exactly what the uninterrupted one drew, and no generator's state has to be kept.
"""

from __future__ import annotations

import random

import numpy as np
import torch


def seed_everything(seed: int, step: int = 0, rank: int = 0) -> None:
    """Seed the global generators of Python, NumPy and torch (all devices) for one step of one process.

    seed, step, rank: non-negative. Different triples give unrelated streams.
    """
    words = np.random.SeedSequence([seed, step, rank]).generate_state(4, np.uint32)
    random.seed(int(words[0]))
    np.random.seed(int(words[1]))
    torch.manual_seed(int(words[2]) << 31 | int(words[3]) >> 1)
