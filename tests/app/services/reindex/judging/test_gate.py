"""The gate over real indexes and models; what it decides, and that it counts what it says."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from app.container import Container
from app.domain.held_out import is_held_out
from app.domain.tiles import Embeddings
from app.ports import VectorStore
from app.queue.child_programs import run_child
from app.services.reindex.judging.fold_heads import FoldHeads
from app.services.reindex.judging.gate import Gate
from app.services.reindex.judging.verdict import Verdict
from app.services.reindex.replay import Side
from app.services.search.recent_queries import RecentQueries, RecentQuery
from models.bundle.files import LEARNED_FILE
from tests.support.archives import ARCHIVE, index_pictures, opened, tiles_of, write_models, write_pictures
from tests.support.bundles import digests
from tests.support.context import Context
from tests.support.headed import SIZE, random_head, write_headed_bundle


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    folder = tmp_path_factory.mktemp("gate")
    write_models(folder / "home")
    with opened(folder / "home") as container:
        index_pictures(container, write_pictures(folder / "pictures", 25))
        index_pictures(container, folder / "pictures", "hog", "hogs")
        yield container


def side(parts: Container, collection: str = ARCHIVE) -> Side:
    live = parts.collections.live(collection)
    return Side(live.index, parts.models.load(live.model))


def judged(
    parts: Container,
    asked: RecentQueries,
    new: Side,
    margin: float,
    folder: Path,
    vectors: VectorStore | None = None,
    old: Side | None = None,
) -> Verdict:
    gate = Gate(vectors or parts.vectors, asked, FoldHeads(parts.models, run_child))
    return gate.judge(ARCHIVE, old or side(parts), new, margin, folder=folder, context=Context())


def recent(parts: Container) -> RecentQueries:
    return RecentQueries(parts.blobs, 100, parts.locks)


def test_an_index_is_not_worse_than_itself(parts: Container, tmp_path: Path) -> None:
    asked = recent(parts)
    ids = sorted(tiles_of(parts))
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    for query in (RecentQuery((ids[0],)), RecentQuery((ids[1],), (ids[2],)), RecentQuery(pixels=pixels)):
        asked.note(ARCHIVE, query)
    asked.note(ARCHIVE, RecentQuery(("00000000-0000-0000-0000-000000000000",)))
    verdict = judged(parts, asked, side(parts), 0.0, tmp_path)
    assert verdict.passed
    assert verdict.numbers["golden_queries"] == len(ids)
    assert verdict.numbers["map"]["old"] == verdict.numbers["map"]["new"] > 0.3
    assert (verdict.numbers["overlap_at_10"], verdict.numbers["recent_overlap_at_10"]) == (1.0, 1.0)
    assert verdict.numbers["recent_queries"] == 3
    assert min(verdict.numbers["latency_ms"].values()) > 0


def test_models_of_other_sizes_see_the_same_upload(parts: Container, tmp_path: Path) -> None:
    asked = recent(parts)
    asked.note(ARCHIVE, RecentQuery(pixels=np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)))
    asked.note(ARCHIVE, RecentQuery(pixels=np.zeros((SIZE, SIZE, 5), np.uint8)))
    verdict = judged(parts, asked, side(parts, "hogs"), 1.0, tmp_path)
    assert verdict.numbers["recent_queries"] == 1
    assert verdict.numbers["golden_queries"] == 0  # other ids: nothing to compare by
    assert (verdict.decision, verdict.reason) == ("passed", "there are not two tiles to compare")


@pytest.mark.parametrize(("slow_searches", "passed"), [(2, True), (1000, False)])
def test_only_an_index_that_stays_slow_is_refused(parts: Container, tmp_path: Path, slow_searches: int, passed: bool) -> None:
    asked = recent(parts)
    asked.note(ARCHIVE, RecentQuery(pixels=np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)))
    new = side(parts, "hogs")
    stalls = iter(range(slow_searches))

    class Stalling:
        def __getattr__(self, name: str) -> Any:
            return getattr(parts.vectors, name)

        def search(self, index: str, *arguments: Any, **options: Any) -> Any:
            if index == new.index and next(stalls, None) is not None:
                time.sleep(0.2)
            return parts.vectors.search(index, *arguments, **options)

    verdict = judged(parts, asked, new, 1.0, tmp_path, cast(VectorStore, Stalling()))
    assert verdict.passed is passed, verdict
    assert ("ms on the new index" in verdict.reason) is not passed


LEARNED: dict[str, Any] = {
    "base": "base",
    "head": {"recipe": {"folds": 2}, "rounds": 4},
    "training_sets": [{"name": ARCHIVE, "terms": "not stated", "images": 100}],
}


def noisy(parts: Container, model: str, scale: float) -> Side:
    """A new index: the vectors of the live one with noise."""
    live, index = side(parts), f"{ARCHIVE}.{model}.{len(parts.vectors.indexes())}"
    random = np.random.default_rng(len(parts.vectors.indexes()))

    def disturb(vectors: Embeddings) -> NDArray[np.float32]:
        made = vectors.embedding + random.normal(scale=scale, size=vectors.embedding.shape).astype(np.float32)
        return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True))

    parts.vectors.copy_with_vectors(live.index, index, disturb, step=lambda _done, _kept: None)
    return Side(index, parts.models.load(model))


def learned(parts: Container, name: str, tiles: Sequence[str] | None = None, **card: Any) -> Side:
    """A new index of a head that says that it learned the collection's labels."""
    digest = parts.models.card("base").files["encoder.onnx"]
    folder = write_headed_bundle(parts.home.models / name, random_head(1), pair=True, encoder_digest=digest, pair_digest=digest)
    fields = json.loads((folder / "card.json").read_text())
    if tiles is not None:
        np.save(folder / LEARNED_FILE, np.array([list(uuid.UUID(item).bytes) for item in tiles], np.uint8))
        fields["files"] |= digests(folder, [LEARNED_FILE])
    (folder / "card.json").write_text(json.dumps(fields | LEARNED | card))
    return noisy(parts, name, 0.1)


def test_a_head_is_judged_by_heads_that_did_not_learn_the_queries(parts: Container, tmp_path: Path) -> None:
    old = noisy(parts, "base", 0.07)
    verdict = judged(parts, recent(parts), learned(parts, "taught"), 0.01, tmp_path, old=old)
    with np.load(tmp_path / "new" / "heads.npz") as heads:
        assert heads["weight"].shape[:2] == (1, 5 + 4)  # five folds of places, four of labels
    assert not (tmp_path / "old").exists()
    assert verdict.numbers["learned"]
    assert verdict.numbers["golden_queries"] == len(tiles_of(parts))
    assert verdict.numbers["unseen_change"] is not None
    assert verdict.numbers["map"]["new"] > verdict.numbers["map"]["old"], verdict
    assert verdict.passed, verdict


def test_shuffled_labels_are_not_evidence(parts: Container, tmp_path: Path) -> None:
    new = learned(parts, "fooled")
    tiles = tiles_of(parts)
    shuffled = np.random.default_rng(0).permutation([tile.labels[0] for tile in tiles.values()])
    true = {item: tile.labels for item, tile in tiles.items()}
    for index in (side(parts).index, new.index):
        parts.vectors.set_labels(index, {item: (str(label),) for item, label in zip(tiles, shuffled, strict=True)})
    verdict = judged(parts, recent(parts), new, 0.01, tmp_path)
    parts.vectors.set_labels(side(parts).index, true)
    assert not verdict.passed, verdict


def test_a_head_without_its_base_is_judged_on_held_out_tiles(parts: Container, tmp_path: Path) -> None:
    verdict = judged(parts, recent(parts), learned(parts, "orphan", base="deleted"), 0.01, tmp_path)
    assert verdict.numbers["golden_queries"] == sum(is_held_out(item) for item in tiles_of(parts))
    assert verdict.numbers["learned"]
    assert not verdict.passed


def test_a_head_on_a_head_is_compared_by_what_each_learned(parts: Container, tmp_path: Path) -> None:
    ids = sorted(tiles_of(parts))
    old = learned(parts, "first", ids[:40])
    new = learned(parts, "second", ids[:80], base="first")
    judged(parts, recent(parts), new, 0.01, tmp_path, old=old)
    for side_, steps in (("old", [40]), ("new", [40, 80])):
        uses = np.load(tmp_path / side_ / "uses.npy")
        assert uses.shape == (len(steps), 5 + 4, len(ids))
        for step, count in enumerate(steps):
            assert not uses[step][:, count:].any()
            np.testing.assert_array_equal(np.count_nonzero(uses[step, :5], axis=0)[:count], 4)  # each place is left out once
