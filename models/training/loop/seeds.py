"""Seeding of all random generators as a function of the step.

Every step starts from generators seeded by (seed, step, rank). A resumed run therefore draws exactly the numbers of the
uninterrupted one, without a generator's state in the checkpoint.
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
