from __future__ import annotations

import pytest
import torch

from models.matcher.fast_tail import FastTail, fits
from models.matcher.quantise import Quantisation, dequantise, fit_quantisation, quantise
from models.matcher.split import SplitMatcher


def trained_looking(channels: int = 12, hidden: int = 8, head: int = 4) -> tuple[SplitMatcher, Quantisation]:
    """A matcher whose batch norms have seen data and whose every number has a say; how its halves are stored."""
    torch.manual_seed(0)
    matcher = SplitMatcher((channels, 4, 4), hidden=hidden, head=head)
    maps = torch.randn(64, channels, 4, 4)
    with torch.no_grad():
        for part in matcher.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.weight.uniform_(-1.5, 1.5)
                part.bias.uniform_(-0.5, 0.5)
        matcher.tail_network.conv.bias.uniform_(-1, 1)  # type: ignore[union-attr]
        for _ in range(20):
            matcher(maps, maps.roll(1, 0))
        stored = fit_quantisation(matcher.candidate_half(maps))
    return matcher.eval(), stored


@pytest.mark.parametrize("count", [1, 3, 100])
def test_the_numbers_are_those_of_the_plain_tail(count: int) -> None:
    matcher, stored = trained_looking()
    with torch.no_grad():
        half = matcher.query_half(torch.randn(1, 12, 4, 4))
        pairs = quantise(matcher.candidate_half(torch.randn(count, 12, 4, 4)), stored)
        wanted = matcher.tail(half, dequantise(pairs, stored))
        found = FastTail(matcher, stored)(half.flatten(1), pairs.flatten(1))
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    assert float(wanted.std()) > 1e-3 or count == 1


def test_one_range_for_all_channels_is_enough() -> None:
    matcher, _ = trained_looking()
    stored = Quantisation((-3.0,), (0.025,))
    with torch.no_grad():
        half, pairs = torch.randn(1, 8, 4, 4), torch.randint(0, 256, (5, 8, 4, 4), dtype=torch.uint8)
        wanted = matcher.tail(half, dequantise(pairs, stored))
        found = FastTail(matcher, stored)(half.flatten(1), pairs.flatten(1))
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("matcher", [SplitMatcher((6, 8, 8), hidden=4), SplitMatcher((6, 4, 4), hidden=4, block="residual")])
def test_other_matchers_keep_the_plain_tail(matcher: SplitMatcher) -> None:
    assert not fits(matcher)
    with pytest.raises(ValueError, match="dyad over maps of 4 x 4"):
        FastTail(matcher, Quantisation((0.0,), (1.0,)))
