from __future__ import annotations

import numpy as np
import torch
from scipy.special import expit  # type: ignore[import-untyped]

from models.evaluation.metrics.rerank import Weights
from models.evaluation.metrics.retrieval import average_precision
from models.matcher.networks import match_probability
from models.matcher.split import SplitMatcher
from models.runs.networks.shortlist_scores import EncodedSet, score_shortlists
from models.runs.networks.train_matcher import fit_stored, shortlist_log_odds


def shown(count: int, seed: int) -> EncodedSet:
    random = np.random.default_rng(seed)
    embeddings = random.normal(size=(count, 6)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    maps = random.normal(size=(count, 5, 4, 4)).astype(np.float16)
    return EncodedSet(embeddings, maps, random.integers(0, 3, count))


def matcher() -> SplitMatcher:
    torch.manual_seed(0)
    return SplitMatcher((5, 4, 4), hidden=8, head=4).eval()


def test_log_odds_of_a_shortlist_are_those_of_the_pairs_one_by_one() -> None:
    network, queries, database = matcher(), shown(7, 0), shown(20, 1)
    scored = score_shortlists(network, fit_stored(network, database.maps), queries, database, depth=5)
    exact = shortlist_log_odds(network, None, queries.maps, database.maps, scored.shortlist)
    assert scored.shortlist.indices.shape == exact.shape == (7, 5)
    for query in range(7):
        for place, item in enumerate(scored.shortlist.indices[query]):
            with torch.no_grad():
                pair = (torch.from_numpy(each[None]).float() for each in (queries.maps[query], database.maps[item]))
                expected = float(match_probability(network(*pair))[0])
            assert abs(float(expit(exact[query, place])) - expected) < 1e-5
    assert scored.log_odds is not None
    assert np.abs(scored.log_odds - exact).max() < 0.05  # what the bytes of the stored half cost


def test_queries_among_themselves_never_meet_themselves() -> None:
    network, queries = matcher(), shown(9, 2)
    scored = score_shortlists(network, fit_stored(network, queries.maps), queries, depth=100)
    assert scored.shortlist.indices.shape == (9, 8)
    assert not (scored.shortlist.indices == np.arange(9)[:, None]).any()


def test_a_ranking_is_by_cosine_and_weighted_log_odds() -> None:
    network, queries, database = matcher(), shown(12, 3), shown(30, 4)
    scored = score_shortlists(network, fit_stored(network, database.maps), queries, database, depth=30)
    expected = []
    for query in range(12):
        assert scored.log_odds is not None
        fused = scored.shortlist.similarities[query] + 0.5 * scored.log_odds[query]
        order = scored.shortlist.indices[query][np.argsort(-fused, kind="stable")]
        ranks = np.flatnonzero(database.labels[order] == queries.labels[query]) + 1
        expected.append(average_precision(ranks))
    assert abs(scored.report([Weights(0.5)]).at(0.5).mean_average_precision - np.mean(expected)) < 1e-6


def test_pairs_say_which_places_match() -> None:
    network, queries, database = matcher(), shown(4, 5), shown(10, 6)
    scored = score_shortlists(network, fit_stored(network, database.maps), queries, database, depth=3)
    pairs = scored.pairs(Weights(0.5))
    flat = scored.shortlist.indices.ravel()
    assert pairs.matches.tolist() == (database.labels[flat] == np.repeat(queries.labels, 3)).tolist()
    assert scored.log_odds is not None
    np.testing.assert_allclose(pairs.logits, (scored.shortlist.similarities + 0.5 * scored.log_odds).ravel(), atol=1e-6)
