from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.backbones.blocks import ResDyad, ResidualBlock
from models.matcher.networks import MATCH, PairMatcher, ResDML, ResDyadDML, match_probability

KINDS = [ResDyadDML, ResDML]


def pairs(count: int, shape: tuple[int, int, int], seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Maps of four classes, noisy, in random pairs; half of the pairs match."""
    generator = torch.Generator().manual_seed(seed)
    prototypes = torch.randn(4, *shape, generator=torch.Generator().manual_seed(99))
    first = torch.randint(0, 4, (count,), generator=generator)
    match = torch.arange(count) % 2
    second = torch.where(match == 1, first, (first + torch.randint(1, 4, (count,), generator=generator)) % 4)
    noise = 0.3 * torch.randn(2, count, *shape, generator=generator)
    return prototypes[first] + noise[0], prototypes[second] + noise[1], match


@pytest.mark.parametrize("kind", KINDS)
def test_the_network_is_the_papers_layers_over_the_concatenated_maps(kind: type[PairMatcher]) -> None:
    torch.manual_seed(0)
    matcher = kind((3, 8, 8), hidden=6, head=5).eval()
    query, candidate = torch.randn(2, 3, 8, 8), torch.randn(2, 3, 8, 8)
    state = matcher.state_dict()
    x = functional.conv2d(torch.cat([query, candidate], 1), state["first.weight"], padding=1)
    x = functional.relu(x / np.sqrt(1 + 1e-5))
    x = functional.relu(matcher.tail.block(x))
    x = functional.conv2d(x, state["tail.conv.weight"], state["tail.conv.bias"], padding=1)
    expected = x.flatten(1) @ state["tail.fc.weight"].T + state["tail.fc.bias"]
    torch.testing.assert_close(matcher(query, candidate), expected)
    assert isinstance(matcher.tail.block, ResDyad if kind is ResDyadDML else ResidualBlock)


def test_probability_is_the_softmax_of_equation_8() -> None:
    logits = torch.tensor([[0.0, 0.0], [1.0, 3.0], [100.0, -100.0]])
    exponentials = np.exp(logits.double().numpy())
    expected = torch.from_numpy(exponentials[:, MATCH] / exponentials.sum(1))
    torch.testing.assert_close(match_probability(logits).double(), expected, atol=1e-6, rtol=1e-6)
    assert match_probability(logits.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(512, 8, 8), (20, 8, 8), (16, 1, 1), (12, 4, 4), (9, 5, 7)])
def test_maps_of_any_size(kind: type[PairMatcher], shape: tuple[int, int, int]) -> None:
    matcher = kind(shape).eval()
    logits = matcher(torch.randn(3, *shape), torch.randn(3, *shape))
    assert logits.shape == (3, 2)
    with pytest.raises(ValueError, match="candidate map"):
        matcher(torch.randn(3, *shape), torch.randn(3, shape[0] + 1, *shape[1:]))


@pytest.mark.parametrize("kind", KINDS)
def test_a_matcher_learns_which_pairs_match(kind: type[PairMatcher]) -> None:
    torch.manual_seed(0)
    shape = (4, 4, 4)
    matcher = kind(shape, hidden=16, head=8)
    optimiser = torch.optim.Adam(matcher.parameters(), 3e-3)
    for step in range(60):
        query, candidate, match = pairs(32, shape, seed=step)
        optimiser.zero_grad()
        torch.autograd.backward(nn.functional.cross_entropy(matcher(query, candidate), match))
        optimiser.step()
    query, candidate, match = pairs(200, shape, seed=1000)
    probability = match_probability(matcher.eval()(query, candidate))
    accuracy = ((probability > 0.5) == match.bool()).float().mean()
    assert float(accuracy) > 0.9
