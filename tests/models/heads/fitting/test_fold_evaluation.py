"""Average precision of a fold's tiles, and how much it exceeds that of random labels."""

from __future__ import annotations

import numpy as np

from models.heads.fitting.fit_head import Examples
from models.heads.fitting.fold_evaluation import FoldEvaluation
from models.heads.linear_head import Head

RANDOM = np.random.default_rng(0)
LABELS = np.arange(60) % 4
PLACES = np.arange(60) // 2
IDENTITY = Head(np.eye(6, dtype=np.float32), np.zeros(6, np.float32))


def _examples(labels: np.ndarray, shift: float) -> Examples:
    rows = RANDOM.normal(size=(60, 6)) + shift * np.eye(4, 6)[labels]
    return Examples(rows.astype(np.float32), np.eye(4, dtype=bool)[labels], RANDOM.normal(size=(40, 6)).astype(np.float32))


def test_the_precision_is_that_of_the_ranking_without_tiles_of_the_own_place() -> None:
    examples = _examples(LABELS, 1.0)
    evaluate = FoldEvaluation(examples, np.arange(20), PLACES, np.random.default_rng(0))
    assert evaluate.queries.tolist() == list(range(20))
    found = evaluate(IDENTITY)
    assert found.shape == (2, 20)
    rows = np.concatenate([examples.labelled, examples.unlabelled])
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    for query in range(20):
        ranked = [row for row in np.argsort(-unit @ unit[query]) if row >= 60 or PLACES[row] != PLACES[query]]
        hits = np.array([row < 60 and LABELS[row] == LABELS[query] for row in ranked])
        expected = np.mean(np.cumsum(hits)[hits] / (np.flatnonzero(hits) + 1))
        assert abs(found[0, query] - expected) < 1e-9


def test_labels_that_tell_something_exceed_chance_and_random_ones_do_not() -> None:
    told = FoldEvaluation(_examples(LABELS, 3.0), np.arange(60), PLACES, np.random.default_rng(0))(IDENTITY)
    assert told[1].mean() > 0.3
    untold = FoldEvaluation(_examples(LABELS, 0.0), np.arange(60), PLACES, np.random.default_rng(0))(IDENTITY)
    assert abs(untold[1].mean()) < 0.05


def test_packing_learned_tiles_of_random_labels_raises_the_precision_but_not_its_excess() -> None:
    """Learned tiles of a label form one cluster that has nothing to do with what queries of the label look like."""
    random = np.random.default_rng(3)
    labels = np.concatenate([random.permutation(np.arange(200) % 4), np.arange(200) % 4])
    learned = (0.1 * random.normal(size=(200, 6)) + np.eye(6)[labels[200:]]).astype(np.float32)
    spread = random.normal(size=(200, 6)).astype(np.float32)
    queries = random.normal(size=(200, 6)).astype(np.float32)
    found = []
    for rest in (spread, learned):
        examples = Examples(np.concatenate([queries, rest]), np.eye(4, dtype=bool)[labels], np.zeros((0, 6), np.float32))
        evaluate = FoldEvaluation(examples, np.arange(200), np.arange(400), np.random.default_rng(0))
        found.append(evaluate(IDENTITY).mean(axis=1))
    (before, excess_before), (after, excess_after) = found
    assert after > before + 0.02
    assert excess_after < excess_before + 0.005


def test_tiles_without_a_relevant_tile_at_another_place_do_not_query() -> None:
    examples = _examples(LABELS, 1.0)
    one = FoldEvaluation(examples, np.arange(20), np.zeros(60, np.intp), np.random.default_rng(0))
    assert len(one.queries) == 0
    assert one(IDENTITY).shape == (2, 0)
