from __future__ import annotations

import pytest
import torch

from models.matcher.networks import PairMatcher, ResDML, ResDyadDML
from models.matcher.split import SplitMatcher

SHAPES = [(512, 8, 8), (384, 4, 4), (7, 3, 5)]


def trained(kind: type[ResDyadDML | ResDML], shape: tuple[int, int, int]) -> PairMatcher:
    """A matcher whose batch norms have seen data."""
    torch.manual_seed(0)
    matcher = kind(shape, hidden=64)
    with torch.no_grad():
        for _ in range(3):
            matcher(torch.randn(8, *shape), torch.randn(8, *shape) + 0.5)
    return matcher.eval()


@pytest.mark.parametrize("kind", [ResDyadDML, ResDML])
@pytest.mark.parametrize("shape", SHAPES)
@torch.no_grad()
def test_the_split_matcher_is_the_papers_matcher(kind: type[ResDyadDML | ResDML], shape: tuple[int, int, int]) -> None:
    matcher = trained(kind, shape)
    split = SplitMatcher.from_matcher(matcher)
    query, candidates = torch.randn(1, *shape), torch.randn(9, *shape)
    expected = matcher(query.expand(9, -1, -1, -1), candidates)
    assert float((split(query.expand(9, -1, -1, -1), candidates) - expected).abs().max()) < 1e-5

    halves = split.candidate_half(candidates)
    assert halves.shape == (9, *split.half_shape)
    assert halves[0].numel() == split.pair_dimension
    reranked = split.tail(split.query_half(query), halves)
    assert float((reranked - expected).abs().max()) < 1e-5


def test_the_stored_half_has_4096_numbers_over_an_8_by_8_map() -> None:
    assert SplitMatcher((512, 8, 8)).pair_dimension == 4096


@torch.no_grad()
def test_scores_of_many_queries_come_in_batches() -> None:
    shape = (6, 4, 4)
    split = SplitMatcher.from_matcher(trained(ResDyadDML, shape))
    queries, candidates = torch.randn(3, *shape), torch.randn(10, *shape)
    scores = split.scores(queries, candidates, batch=4)
    assert scores.shape == (3, 10, 2)
    for i in range(3):
        torch.testing.assert_close(scores[i], split(queries[i : i + 1], candidates), atol=1e-5, rtol=1e-5)


def test_both_take_the_same_training_step() -> None:
    shape = (6, 4, 4)
    torch.manual_seed(0)
    matcher = ResDyadDML(shape, hidden=8)
    split = SplitMatcher.from_matcher(matcher)
    assert split.training
    query, candidate, match = torch.randn(5, *shape), torch.randn(5, *shape), torch.tensor([0, 1, 1, 0, 1])
    for network in (matcher, split):
        torch.autograd.backward(torch.nn.functional.cross_entropy(network(query, candidate), match))
    halves = [part.get_parameter("weight").grad for part in (split.query_conv, split.candidate_conv)]
    both = torch.cat([half for half in halves if half is not None], dim=1)
    torch.testing.assert_close(both, matcher.first.get_parameter("weight").grad)


def test_the_copy_shares_no_memory() -> None:
    matcher = ResDML((3, 4, 4))
    split = SplitMatcher.from_matcher(matcher)
    before = {name: tensor.clone() for name, tensor in split.state_dict().items()}
    with torch.no_grad():
        for parameter in matcher.parameters():
            parameter.add_(1)
    assert all(torch.equal(tensor, before[name]) for name, tensor in split.state_dict().items())
