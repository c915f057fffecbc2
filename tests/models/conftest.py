"""What the tests of the networks share."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """Tensors here are tiny: a second thread costs more than it brings, most of all on a busy machine."""
    if importlib.util.find_spec("torch") is None:  # the metrics are tested without it
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
