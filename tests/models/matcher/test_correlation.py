from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from models.matcher.correlation import START_BEST, START_SCALE, CorrelationMatcher
from models.matcher.displacements import turns, vote_matrix
from models.matcher.quantise import dequantise, fit_quantisation, quantise

SHAPE = (10, 4, 4)


def matcher(shape: tuple[int, int, int] = SHAPE, *, is_trained: bool = True) -> CorrelationMatcher:
    """A small matcher; is_trained: with random last weights and batch norms that have seen data."""
    torch.manual_seed(0)
    network = CorrelationMatcher(shape, hidden=6, head=8)
    network.fit_projection(torch.randn(20, *shape))
    if is_trained:
        torch.nn.init.normal_(network.tail_network.out.weight)
        with torch.no_grad():
            network(torch.randn(9, *shape), torch.randn(9, *shape))
    return network.eval()


def maps(count: int, seed: int = 1, shape: tuple[int, int, int] = SHAPE) -> Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def test_query_and_candidate_can_be_exchanged() -> None:
    network, a, b = matcher(), maps(5), maps(5, 2)
    torch.testing.assert_close(network(a, b), network(b, a), atol=1e-5, rtol=1e-5)
    forth, back = (network.compare(network.query_half(x), network.candidate_half(y)) for x, y in ((a, b), (b, a)))
    torch.testing.assert_close(forth.query_places, back.candidate_places, atol=1e-6, rtol=0)


@pytest.mark.parametrize("shape", [SHAPE, (10, 3, 5)])
@torch.no_grad()
def test_turned_tiles_match_alike(shape: tuple[int, int, int]) -> None:
    network, a, b = matcher(shape), maps(5, shape=shape), maps(5, 2, shape)
    logits = network(a, b)
    assert float(logits.std()) > 1e-3
    for turn in range(4) if shape[1] == shape[2] else (0, 2):
        turned = a.rot90(turn, (2, 3))
        torch.testing.assert_close(network(turned, b), logits, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(network(b, turned), logits, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_untrained_log_odds_are_the_mean_best_match() -> None:
    network, a, b = matcher(is_trained=False), maps(3), maps(3, 2)
    logits = network(a, b)
    for row in range(3):
        query, candidate = (
            torch.nn.functional.normalize(network.projection(each[row : row + 1]), dim=1)[0].flatten(1) for each in (a, b)
        )
        table = [[float(query[:, i] @ candidate[:, j]) for j in range(16)] for i in range(16)]
        best = [max(line) for line in table] + [max(line[j] for line in table) for j in range(16)]
        wanted = START_SCALE * (sum(best) / len(best) - START_BEST)
        assert float(logits[row, 1] - logits[row, 0]) == pytest.approx(wanted, abs=1e-3)


def test_votes_are_means_over_equally_displaced_places() -> None:
    size, reach = (3, 3), 2
    votes, rings = vote_matrix(size)
    assert sum(rings) == votes.shape[1] == 4 * 25
    assert rings == [4, 16, 16, 16, 32, 16]
    correlation = np.random.default_rng(0).random((9, 9)).astype(np.float32)
    wanted = []
    for order in turns(size):
        for dy in range(-reach, reach + 1):
            for dx in range(-reach, reach + 1):
                found = [
                    correlation[y * 3 + x, order[(y + dy) * 3 + x + dx]]
                    for y in range(3)
                    for x in range(3)
                    if 0 <= y + dy < 3 and 0 <= x + dx < 3
                ]
                wanted.append(sum(found) / len(found))
    made = torch.from_numpy(correlation).flatten() @ votes
    np.testing.assert_allclose(sorted(made.tolist()), sorted(wanted), atol=1e-6)
    assert len(turns((2, 3))) == 2


@torch.no_grad()
def test_one_query_is_compared_with_all_candidates_and_bytes_cost_little() -> None:
    network, query, candidates = matcher(), maps(1), maps(6, 2)
    exact = network(query.expand(6, -1, -1, -1), candidates)
    torch.testing.assert_close(network(query, candidates), exact, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(network.scores(query, candidates, batch=4)[0], exact, atol=1e-5, rtol=1e-5)
    halves = network.candidate_half(candidates)
    assert halves[0].numel() == network.pair_dimension == math.prod(network.half_shape)
    stored = fit_quantisation(halves)
    found = network.tail(network.query_half(query), dequantise(quantise(halves, stored), stored))
    assert float((found - exact).abs().max()) < 0.02 * float(exact.abs().max())


@torch.no_grad()
def test_a_tile_matches_itself_everywhere() -> None:
    network, a = matcher(), maps(2)
    found = network.compare(network.query_half(a), network.candidate_half(a))
    torch.testing.assert_close(found.query_places, torch.ones(2, 16))
    assert found.candidate_places.shape == (2, 16)


@torch.no_grad()
def test_the_projection_whitens_the_places() -> None:
    network = CorrelationMatcher(SHAPE, hidden=6)
    sample = maps(200) * torch.linspace(1, 5, 10)[:, None, None] + 3
    network.fit_projection(sample)
    places = network.projection(sample).movedim(1, -1).flatten(0, -2)
    torch.testing.assert_close(places.T @ places / len(places), torch.eye(6), atol=0.02, rtol=0)


@pytest.mark.parametrize(
    ("shape", "hidden", "reason"),
    [((112, 8, 8), 56, "at most 2048 values"), ((40, 4, 4), 56, "allow 1 to 40"), ((40, 1, 2), 8, "at least 3 places")],
)
def test_descriptors_that_do_not_fit_are_refused(shape: tuple[int, int, int], hidden: int, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        CorrelationMatcher(shape, hidden=hidden)
