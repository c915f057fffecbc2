from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from torch import nn

from models.matcher.networks import match_probability
from models.matcher.quantise import Quantisation, dequantise, fit_quantisation, quantise
from models.matcher.split import SplitMatcher


@pytest.mark.parametrize("per_channel", [True, False])
def test_bytes_are_the_affine_map_rounded(per_channel: bool) -> None:
    torch.manual_seed(0)
    halves = torch.randn(5, 3, 4, 4) * torch.tensor([0.1, 1.0, 10.0])[:, None, None]
    quantisation = fit_quantisation(halves, per_channel=per_channel)
    assert len(quantisation.low) == len(quantisation.scale) == (3 if per_channel else 1)
    low = np.broadcast_to(np.array(quantisation.low), 3)[:, None, None]
    scale = np.broadcast_to(np.array(quantisation.scale), 3)[:, None, None]
    expected = np.clip(np.round((halves.numpy() - low) / scale), 0, 255)
    stored = quantise(halves, quantisation)
    assert stored.dtype == torch.uint8
    assert int((stored.int() - torch.from_numpy(expected).int()).abs().max()) <= 1  # ties of float32
    error = (dequantise(stored, quantisation) - halves).abs().numpy()
    assert bool((error <= scale * 0.501).all())


def test_values_out_of_range_are_clipped() -> None:
    quantisation = Quantisation(low=(-1.0,), scale=(2 / 255,))
    stored = quantise(torch.tensor([-9.0, -1.0, 1.0, 9.0]).reshape(1, 1, 2, 2), quantisation)
    assert stored.flatten().tolist() == [0, 0, 255, 255]


def test_coverage_leaves_outliers_out_for_precision() -> None:
    halves = torch.randn(100, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    halves[0, 0, 0, 0] = 1000
    wide, narrow = fit_quantisation(halves), fit_quantisation(halves, coverage=0.999)
    assert narrow.scale[0] < wide.scale[0] / 50
    assert fit_quantisation(torch.zeros(2, 1, 2, 2)).scale[0] > 0


def test_a_card_can_hold_it() -> None:
    quantisation = fit_quantisation(torch.randn(4, 3, 2, 2))
    document = json.loads(json.dumps(asdict(quantisation)))
    assert Quantisation(tuple(document["low"]), tuple(document["scale"])) == quantisation


def test_samples_that_say_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="is empty"):
        fit_quantisation(torch.zeros(0, 3, 2, 2))
    with pytest.raises(ValueError, match="coverage"):
        fit_quantisation(torch.zeros(1, 3, 2, 2), coverage=0)


def test_a_trained_matcher_loses_next_to_nothing_by_bytes() -> None:
    """Loss of a matcher trained to tell four classes apart: on average below 0.01 of probability, and no decision lost."""
    torch.manual_seed(0)
    prototypes = torch.randn(4, 4, 4, 4)
    split = SplitMatcher((4, 4, 4), hidden=16, head=8)
    optimiser = torch.optim.Adam(split.parameters(), 3e-3)

    def sample(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        classes = torch.arange(count) % 4
        return prototypes[classes] + 0.3 * torch.randn(count, 4, 4, 4), classes

    for _ in range(60):
        (query, a), (candidate, b) = sample(32), sample(32)
        order = torch.randperm(32)
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(split(query, candidate[order]), (a == b[order]).long())
        torch.autograd.backward(loss)
        optimiser.step()

    split.eval()
    with torch.no_grad():
        query, _ = sample(8)
        candidates, _ = sample(100)
        halves = split.candidate_half(candidates)
        quantisation = fit_quantisation(split.candidate_half(sample(256)[0]))
        rough = dequantise(quantise(halves, quantisation), quantisation)
        for half in split.query_half(query):
            exact_p = match_probability(split.tail(half[None], halves))
            rough_p = match_probability(split.tail(half[None], rough))
            assert float((exact_p - rough_p).abs().mean()) < 0.01
            sure = (exact_p - 0.5).abs() > 0.1
            assert torch.equal(exact_p[sure] > 0.5, rough_p[sure] > 0.5)
