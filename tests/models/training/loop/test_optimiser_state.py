from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from models.training.loop.checkpoints import load_checkpoint, save_checkpoint
from models.training.loop.optimiser_state import restore_optimiser


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
@pytest.mark.parametrize("fused", [False, True])
def test_a_channels_last_network_goes_on_as_before(kind: str, fused: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("state") / "x.safetensors"

    def optimiser_of(network: nn.Module) -> torch.optim.Optimizer:
        if kind == "adamw":
            return torch.optim.AdamW(network.parameters(), lr=0.01, fused=fused)
        return torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, fused=fused)

    def update(network: nn.Module, optimiser: torch.optim.Optimizer, seed: int) -> None:
        images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
        torch.autograd.backward(network(images.contiguous(memory_format=torch.channels_last)).square().mean())
        optimiser.step()
        optimiser.zero_grad()

    network = nn.Conv2d(3, 5, 3).to(memory_format=torch.channels_last)
    optimiser = optimiser_of(network)
    update(network, optimiser, 0)
    save_checkpoint(path, {"optimiser": optimiser.state_dict()})
    other = copy.deepcopy(network)
    resumed = optimiser_of(other)
    restore_optimiser(resumed, load_checkpoint(path)["optimiser"])
    for seed in (1, 2):
        update(network, optimiser, seed)
        update(other, resumed, seed)
    assert torch.equal(network.weight, other.weight)
