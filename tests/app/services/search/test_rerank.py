from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.domain.collections import Collection
from app.domain.search import Bookmark, RerankWish, SearchQuery
from app.errors import InvalidBundle, InvalidInput, NotFound
from app.inference.local_models import LocalModels
from app.inference.onnx import OnnxInference
from app.services.catalogue.models import ModelService
from app.services.search.rerank import DEPTH, UNLEARNED, Reranker, matches_end
from app.services.search.rerank_latency import MIN_DEPTH, RerankLatency
from app.stores.local_locks import LocalLocks
from models.bundle.card import MAX_DEPTH
from tests.support.bundles import PAIR, matcher_card, tiny_graph, write_bundle, write_matching_bundle


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelService]:
    folder = tmp_path_factory.mktemp("models")
    write_bundle(folder / "plain", tiny_graph())
    write_matching_bundle(folder / "learned")
    write_matching_bundle(folder / "unlearned", matcher=matcher_card(fusion=None, calibration=None))
    write_matching_bundle(folder / "calm", matcher=matcher_card(fusion={"weight": 0, "depth": 30}))
    write_matching_bundle(folder / "mute", matcher=matcher_card(fusion={"weight": 0, "depth": 30}, calibration=None))
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
        ("learned", None, {}, (20, 0.1)),
        ("learned", True, {}, (20, 0.1)),
        ("learned", False, {}, None),
        ("learned", False, {"wanted": True}, (20, 0.1)),
        ("learned", False, {"depth": 7}, (7, 0.1)),
        ("learned", None, {"wanted": False}, None),
        ("learned", None, {"after": Bookmark(10, "v", depth=50)}, (50, 0.1)),
        ("learned", None, {"after": Bookmark(10, "v")}, None),
        ("unlearned", None, {}, None),
        ("unlearned", None, {"wanted": True}, (DEPTH, UNLEARNED)),
        ("calm", None, {}, (30, 0.0)),  # the embedding's order, with probabilities
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
    assert (None if plan is None else (plan.depth, plan.weight)) == planned


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


def test_scores_and_probabilities_are_those_of_the_card(models: ModelService) -> None:
    reranker = Reranker(models)
    plan = reranker.plan(collection(), "learned", query(), 2)
    assert plan is not None
    random = np.random.default_rng(0)
    halves = random.uniform(0, 3, (2, PAIR)).astype(np.float32)
    pairs = random.integers(0, 4, (30, PAIR), dtype=np.uint8)
    similarities, cosines = np.sort(random.uniform(-1, 1, 30))[::-1], random.uniform(-1, 1, 30)
    verdict = reranker.judge(plan, halves, pairs, similarities, cosines)
    log_odds = np.mean([plan.model.log_odds(half, pairs) for half in halves], axis=0)
    np.testing.assert_allclose(verdict.scores, similarities + 0.1 * log_odds, atol=2e-6)
    assert verdict.probabilities is not None
    np.testing.assert_allclose(verdict.probabilities, 1 / (1 + np.exp(-(2 * log_odds + 1.5 * cosines - 1))), atol=1e-6)


def test_the_same_picture_is_a_certain_match_and_comes_first(models: ModelService) -> None:
    reranker = Reranker(models)
    plan = reranker.plan(collection(), "learned", query(), 1)
    assert plan is not None
    pairs = np.stack([np.full(PAIR, 9, np.uint8), np.zeros(PAIR, np.uint8), np.full(PAIR, 1, np.uint8)])
    cosines = np.array([1.0, 0.999, 0.9])
    verdict = reranker.judge(plan, np.zeros((1, PAIR), np.float32), pairs, cosines, cosines)
    assert verdict.probabilities is not None
    assert np.argmax(verdict.scores) == 0
    assert verdict.probabilities[0] == 1
    assert verdict.probabilities[1] < 1


def test_probabilities_stay_finite(tmp_path: Path) -> None:
    card = matcher_card(calibration={"scale": 1e6, "offset": 0, "slope": 1e6})
    folder = write_matching_bundle(tmp_path / "sharp", matcher=card)
    models = ModelService(LocalModels(folder.parent, threads=1, bundled=tmp_path / "none"), dict, 1 << 30, LocalLocks())
    reranker = Reranker(models)
    plan = reranker.plan(collection(), "sharp", query(), 1)
    assert plan is not None
    pairs = np.stack([np.zeros(PAIR, np.uint8), np.full(PAIR, 255, np.uint8)])
    verdict = reranker.judge(plan, np.zeros((1, PAIR), np.float32), pairs, np.array([1.0, -1.0]), np.array([1.0, -1.0]))
    assert verdict.probabilities is not None
    assert verdict.probabilities.tolist() == [1.0, 0.0]
    none = reranker.judge(plan, np.zeros((1, PAIR), np.float32), pairs[:0], np.zeros(0), np.zeros(0))
    assert len(none.scores) == 0


@pytest.mark.parametrize(
    ("probabilities", "is_all", "end"),
    [
        ([], True, 0),
        ([0.9, 0.8, 0.1, 0.05], False, 2),
        ([0.9, 0.4, 0.7, 0.1], True, 3),
        ([0.9, 0.4, 0.55, 0.1], True, 1),
        ([0.4, 0.3], True, 0),
        ([0.9, 0.8], True, 2),
        ([0.9, 0.8], False, None),
        ([0.3, 0.9], False, None),
        ([0.5, 0.5], False, 0),
    ],
)
def test_matches_end_where_the_sum_of_evidence_peaks(probabilities: list[float], is_all: bool, end: int | None) -> None:
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
