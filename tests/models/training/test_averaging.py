"""Averages of weights."""

from __future__ import annotations

import pytest
import torch

from models.training.averaging import average_weights


def test_average_lies_between_both() -> None:
    start = {"a": torch.tensor([0.0, 2.0]), "count": torch.tensor(3)}
    end = {"a": torch.tensor([4.0, 2.0]), "count": torch.tensor(5)}
    found = average_weights(start, end, 0.25)
    torch.testing.assert_close(found["a"], torch.tensor([1.0, 2.0]))
    assert int(found["count"]) == 5


@pytest.mark.parametrize(("end", "share"), [({"b": torch.zeros(1)}, 0.5), ({"a": torch.zeros(1)}, 1.5)])
def test_other_networks_and_shares_are_refused(end: dict[str, torch.Tensor], share: float) -> None:
    with pytest.raises(ValueError, match="two different networks"):
        average_weights({"a": torch.zeros(1)}, end, share)
