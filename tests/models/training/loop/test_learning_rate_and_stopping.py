from __future__ import annotations

import math
import random

import numpy as np
import pytest
import torch

from models.training.loop.early_stopping import EarlyStopping
from models.training.loop.learning_rate import Schedule
from models.training.loop.seeds import seed_everything


def test_steps_halve_every_thirty_epochs() -> None:
    schedule = Schedule("step", epochs=100)
    factors = [schedule.factor(step, 10) for step in (0, 299, 300, 599, 600, 999)]
    assert factors == [1, 1, 0.5, 0.5, 0.25, 0.125]


def test_cosine_falls_to_zero_after_the_warmup() -> None:
    schedule = Schedule("cosine", epochs=10, warmup_epochs=2)
    assert [schedule.factor(step, 4) for step in range(8)] == [n / 8 for n in range(1, 9)]
    for step in range(8, 41):
        assert schedule.factor(step, 4) == pytest.approx(0.5 * (1 + math.cos(math.pi * (step - 8) / 32)))
    assert schedule.factor(40, 4) == pytest.approx(0)
    assert schedule.factor(50, 4) == pytest.approx(0)
    assert Schedule("constant", epochs=3).factor(7, 2) == 1


def test_patience_counts_epochs_without_improvement() -> None:
    stopping = EarlyStopping(patience=2)
    results = [(stopping.improves(value), stopping.should_stop) for value in (3.0, 3.0, 2.0, math.nan, 2.5)]
    assert results == [(True, False), (False, False), (True, False), (False, False), (False, True)]
    other = EarlyStopping(patience=2)
    other.restore(stopping.state())
    assert (other.best, other.should_stop) == (2.0, True)
    assert not EarlyStopping(patience=None).should_stop


def test_more_can_be_better() -> None:
    stopping = EarlyStopping(patience=1, mode="max")
    assert [stopping.improves(value) for value in (math.nan, 0.1, 0.05, 0.2)] == [False, True, False, True]


def draws() -> tuple[float, ...]:
    return random.random(), float(np.random.rand()), float(torch.rand(1))


def test_seeds_are_a_function_of_place() -> None:
    seen = set()
    for place in ((0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)):
        seed_everything(*place)
        first = draws()
        seed_everything(*place)
        assert draws() == first
        seen.add(first)
    assert len(seen) == 4
