from __future__ import annotations

import pytest
import torch
from torch import nn

from models.backbones.autoencoder import ResDyadAE
from models.matcher.siamese import Siamese


def test_it_begins_as_the_autoencoder_and_trains_end_to_end() -> None:
    torch.manual_seed(0)
    autoencoder = ResDyadAE("8x8x20", width=4)
    before = {name: tensor.clone() for name, tensor in autoencoder.state_dict().items()}
    siamese = Siamese.from_autoencoder(autoencoder, 64, hidden=8)
    for name, tensor in siamese.trunk.state_dict().items():
        torch.testing.assert_close(tensor, before[f"encoder.{name}"])

    first, second, match = torch.randn(4, 3, 64, 64), torch.randn(4, 3, 64, 64), torch.tensor([0, 1, 0, 1])
    optimiser = torch.optim.Adam(siamese.parameters(), 3e-3)
    losses = []
    for _ in range(12):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(siamese(first, second), match)
        torch.autograd.backward(loss)
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    stem = siamese.trunk.get_parameter("stem.0.weight")
    assert not torch.equal(stem, before["encoder.stem.0.weight"])
    assert all(torch.equal(tensor, before[name]) for name, tensor in autoencoder.state_dict().items())


@torch.no_grad()
def test_it_is_the_matcher_over_both_maps() -> None:
    siamese = Siamese.from_autoencoder(ResDyadAE("8x8x20", width=4), 64, hidden=8).eval()
    first, second = torch.randn(2, 3, 64, 64), torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(siamese(first, second), siamese.matcher(siamese.trunk(first), siamese.trunk(second)))


def test_sizes_that_the_encoder_cannot_halve_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 32"):
        Siamese.from_autoencoder(ResDyadAE("8x8x20", width=4), 150)
