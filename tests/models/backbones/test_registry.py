from __future__ import annotations

import pytest
import torch

from models.backbones.registry import build_encoder


def test_the_same_seed_makes_the_same_encoder() -> None:
    states = []
    for _ in range(2):
        torch.manual_seed(7)
        states.append(build_encoder("resdyad-ae", width=4, latent="8x8x20").state_dict())
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_options_that_a_network_does_not_have_are_refused() -> None:
    with pytest.raises(ValueError, match="choose one of resnet18"):
        build_encoder("resnet19")
    with pytest.raises(ValueError, match="one width only"):
        build_encoder("googlenet", width=48)
    with pytest.raises(ValueError, match="fixed latent"):
        build_encoder("resnet18", latent="8x8x20")
    with pytest.raises(ValueError, match="at least one channel"):
        build_encoder("resnet18", width=0)
    with pytest.raises(ValueError, match="at least one"):
        build_encoder("googlenet", bands=0)
