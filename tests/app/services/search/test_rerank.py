from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.domain.collections import Collection
from app.domain.queries.search import Bookmark, Reranking, RerankWish, SearchQuery
from app.errors import InvalidBundle, InvalidInput, NotFound
from app.inference.local_models import LocalModels
from app.inference.onnx import OnnxInference
from app.services.catalogue.models import ModelService
from app.services.search.rerank import Reranker, judge, matches_end
from app.services.search.rerank_latency import MIN_DEPTH, RerankLatency
from app.stores.local_locks import LocalLocks
from models.bundle.card import MAX_DEPTH
from models.bundle.ranking import DEPTH, UNLEARNED, Ranking
from tests.support.bundles import PAIR, matcher_card, tiny_graph, write_bundle, write_matching_bundle


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelService]:
    folder = tmp_path_factory.mktemp("models")
    write_bundle(folder / "plain", tiny_graph())
    write_matching_bundle(folder / "learned")
    write_matching_bundle(folder / "unlearned", matcher=matcher_card(fusion=None, calibration=None))
    write_matching_bundle(folder / "calm", matcher=matcher_card(fusion={"weight": 0, "depth": 30}))
    write_matching_bundle(folder / "mute", matcher=matcher_card(fusion={"weight": 0, "depth": 30}, calibration=None))
    of_score = {"formula": "sigmoid(scale * score + offset)", "scale": 9.0, "offset": -4.0}
    fusion = {"weight": 0.2, "neighbours": 0.3, "depth": 40}
    write_matching_bundle(folder / "scored", matcher=matcher_card(fusion=fusion, calibration=of_score))
    still = matcher_card(fusion={"weight": 0, "depth": 40}, calibration=of_score)
    write_matching_bundle(folder / "still", matcher=still)
    alone = {"neighbours": 0.3, "depth": 50, "calibration": of_score, "cosine_calibration": of_score}
    write_bundle(folder / "alone", tiny_graph(), ranking=alone)
    write_bundle(folder / "broken", tiny_graph(), dimension=9)
    provider = LocalModels(folder, threads=1, bundled=folder / "none")
    yield ModelService(provider, dict, 1 << 30, LocalLocks())
    provider.close()


def collection(rerank: bool | None = None) -> Collection:
    now = datetime(2020, 1, 1, tzinfo=UTC)
    return Collection(id="c", model="m", created=now, updated=now, rerank=rerank)


def query(**changes: Any) -> SearchQuery:
    rerank = RerankWish(**{key: changes.pop(key) for key in ("wanted", "depth", "budget_ms") if key in changes})
    return SearchQuery(positives=("x",), rerank=rerank, **changes)


@pytest.mark.parametrize(
    ("model", "setting", "wish", "planned"),
    [
        ("learned", None, {}, (20, 2 / 1.5)),
        ("learned", True, {}, (20, 2 / 1.5)),
        ("learned", False, {}, None),
        ("learned", False, {"wanted": True}, (20, 2 / 1.5)),
        ("learned", False, {"depth": 7}, (7, 2 / 1.5)),
        ("learned", None, {"wanted": False}, None),
        ("learned", None, {"after": Bookmark(10, "v", depth=50)}, (50, 2 / 1.5)),
        ("learned", None, {"after": Bookmark(10, "v")}, None),
        ("unlearned", None, {}, None),
        ("unlearned", None, {"wanted": True}, (DEPTH, UNLEARNED)),
        ("calm", None, {}, (30, 2 / 1.5)),  # an earlier card ranks by its calibration
        ("scored", None, {}, (40, 0.2)),
        ("still", None, {}, (40, 0.0)),  # the embedding's order, with probabilities
        ("alone", None, {}, (50, 0.0)),
        ("alone", None, {"depth": 9}, (9, 0.0)),
        ("alone", None, {"wanted": False}, (50, 0.0)),
        ("mute", None, {}, None),
        ("mute", None, {"wanted": True}, (30, 0.0)),
        ("plain", None, {}, None),
        ("plain", None, {"wanted": True}, None),
        ("broken", None, {}, None),
        ("gone", None, {}, None),
    ],
)
def test_who_decides_whether_and_how_deep(
    models: ModelService, model: str, setting: bool | None, wish: dict[str, Any], planned: tuple[int, float] | None
) -> None:
    plan = Reranker(models).plan(collection(setting), model, query(**wish), 1)
    assert (None if plan is None else (plan.depth, plan.ranking.weight)) == planned


@pytest.mark.parametrize(
    ("model", "setting", "wish", "error", "word"),
    [
        ("plain", None, {"depth": 10}, InvalidInput, "no matcher"),
        ("plain", None, {"budget_ms": 10.0}, InvalidInput, "no matcher"),
        ("plain", None, {"min_probability": 0.5}, InvalidInput, "no matcher"),
        ("learned", None, {"min_probability": 0.5, "wanted": False}, InvalidInput, "rerank: false"),
        ("learned", False, {"min_probability": 0.5}, InvalidInput, "add `rerank: true`"),
        ("unlearned", None, {"min_probability": 0.5, "wanted": True}, InvalidInput, "not calibrated"),
        ("broken", None, {"wanted": True}, InvalidBundle, "broken"),
        ("gone", None, {"wanted": True}, NotFound, "gone"),
    ],
)
def test_what_cannot_be_is_refused(
    models: ModelService, model: str, setting: bool | None, wish: dict[str, Any], error: type[Exception], word: str
) -> None:
    with pytest.raises(error, match=word):
        Reranker(models).plan(collection(setting), model, query(**wish), 1)


def test_the_plan_says_what_a_search_needs(models: ModelService) -> None:
    reranker = Reranker(models)
    plans = {name: reranker.plan(collection(), name, query(), 1) for name in ("scored", "still", "alone")}
    assert {name: plan.has_matcher for name, plan in plans.items() if plan} == {"scored": True, "still": False, "alone": False}
    assert {name: plan.summary for name, plan in plans.items() if plan} == {
        "scored": Reranking(40, 0.2, 0.3),
        "still": Reranking(40, 0.0),
        "alone": Reranking(50, 0.0, 0.3),
    }
    plain = reranker.plan(collection(), "alone", query(wanted=False, min_probability=0.5), 1)
    assert plain is not None
    assert plain.summary is None
    assert plain.ranking.neighbours == 0


def test_log_odds_are_averaged_over_the_examples(models: ModelService) -> None:
    reranker, model = Reranker(models), models.load("learned")
    random = np.random.default_rng(0)
    halves = random.uniform(0, 3, (2, PAIR)).astype(np.float32)
    pairs = random.integers(0, 4, (30, PAIR), dtype=np.uint8)
    expected = np.mean([model.log_odds(half, pairs) for half in halves], axis=0)
    np.testing.assert_allclose(reranker.compare(model, halves, pairs), expected, atol=1e-6)
    assert len(reranker.compare(model, halves, pairs[:0])) == 0


RANKINGS = (
    Ranking(0.1, 0.4, 20, 9.0, -5.0),
    Ranking(0.0, 0.0, 20, 3.0, -1.0),
    Ranking(2.0, 0.0, 20, 1e6, -1e5),
    Ranking(0.0, 1.6, 20, 1e-3, 0.2),
    Ranking(0.3, 0.2, 20),
)


def evidence(seed: int, count: int = 40) -> dict[str, Any]:
    """Terms of the score of random candidates, with ties, and perhaps the same image."""
    random = np.random.default_rng(seed)
    cosines = np.round(np.sort(random.uniform(-1, 0.99, count))[::-1], 1)
    are_same = np.zeros(count, np.bool_)
    are_same[: seed % 3] = True
    cosines[are_same] = 1.0
    return {
        "cosines": cosines,
        "are_same": are_same,
        "log_odds": np.round(random.normal(0, 4, count)),
        "overlaps": np.round(random.uniform(0, 1, count), 1),
    }


@pytest.mark.parametrize("ranking", RANKINGS)
@pytest.mark.parametrize("seed", range(9))
def test_the_order_of_scores_is_the_order_of_probabilities(ranking: Ranking, seed: int) -> None:
    terms = evidence(seed)
    verdict = judge(ranking, **terms)
    order = np.argsort(-verdict.scores, kind="stable")
    assert sorted(order[: seed % 3]) == list(range(seed % 3))  # the same image comes first
    others = ~terms["are_same"]
    fused = ranking.scores(terms["cosines"], terms["log_odds"], terms["overlaps"])
    np.testing.assert_allclose(verdict.scores[others], fused[others], atol=1e-6)
    if ranking.scale is None:
        assert verdict.probabilities is None
        return
    assert verdict.probabilities is not None
    in_order = verdict.probabilities[order]
    assert np.all(np.diff(in_order) <= 0)
    assert np.all(in_order[: seed % 3] == 1)
    end = matches_end(in_order, True)
    assert end is not None
    assert np.all(in_order[:end] >= 0.5)
    assert np.all(in_order[end:] < 0.5)


def test_the_same_picture_comes_first_even_if_negatives_lower_its_score() -> None:
    are_same = np.array([False, True, False])
    verdict = judge(Ranking(scale=5.0, offset=-4.0), np.array([1.3, 1.1, 1.2]), are_same)
    assert np.argmax(verdict.scores) == 1
    assert verdict.probabilities is not None
    assert verdict.probabilities[1] == 1
    assert np.all(verdict.probabilities[[0, 2]] < 1)


def test_probabilities_stay_finite() -> None:
    verdict = judge(Ranking(1.0, 0, 20, 1e6, 0.0), np.array([1.0, -1.0]), np.zeros(2, np.bool_), np.array([9.0, -9.0]))
    assert verdict.probabilities is not None
    assert verdict.probabilities.tolist() == [1.0, 0.0]
    none = judge(Ranking(scale=1.0), np.zeros(0), np.zeros(0, np.bool_))
    assert len(none.scores) == 0


@pytest.mark.parametrize(
    ("probabilities", "is_all", "end"),
    [
        ([], True, 0),
        ([0.9, 0.8, 0.1, 0.05], False, 2),
        ([0.9, 0.5, 0.49], True, 2),
        ([0.4, 0.3], True, 0),
        ([0.4, 0.3], False, 0),
        ([0.9, 0.8], True, 2),
        ([0.9, 0.8], False, None),
    ],
)
def test_matches_end_where_probabilities_fall_below_a_half(probabilities: list[float], is_all: bool, end: int | None) -> None:
    assert matches_end(np.array(probabilities), is_all) == end


def test_the_pace_is_primed_once_and_learned_from_runs(tmp_path: Path) -> None:
    model, latency = OnnxInference(write_matching_bundle(tmp_path / "m"), threads=1), RerankLatency()
    assert MIN_DEPTH <= latency.depth(model, 5.0, 1) <= MAX_DEPTH
    for _ in range(60):
        latency.note("m", 100, 20.0)  # 0.2 ms a pair
    assert latency.depth(model, 20.0, 1) == pytest.approx(100, abs=2)
    assert latency.depth(model, 20.0, 4) == pytest.approx(25, abs=1)
    assert latency.depth(model, 0.001, 1) == MIN_DEPTH
    assert latency.depth(model, 60_000, 1) == MAX_DEPTH
    latency.note("m", 0, 1e9)
    latency.prime(model)
    assert latency.depth(model, 20.0, 1) == pytest.approx(100, abs=2)
