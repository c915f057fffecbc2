"""A new index beside the live one: how it is made, when it takes its place, and what interrupts it."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from app.container import Container
from app.domain.jobs import JobStatus
from app.domain.tiles import Embeddings, Tile
from app.errors import Conflict, ModelMismatch, NotFound
from app.ports import Interrupted
from app.queue.local_queue import LocalQueue
from tests.support.archives import (
    ARCHIVE,
    index_pictures,
    opened,
    opened_archive,
    reindexed,
    rows_of,
    tiles_of,
    write_models,
    write_pictures,
)
from tests.support.bundles import digests, tiny_graph, write_bundle
from tests.support.headed import random_head, write_headed_bundle
from tests.support.labelled import ended


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Container]:
    with opened_archive(tmp_path) as container:
        yield container


def fresh_rows(parts: Container, model: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """What an ingest with that model makes of the same pictures."""
    index_pictures(parts, parts.home.path.parent / "pictures", model, f"fresh-{model}")
    mapping = {tile.source: tile.id for tile in tiles_of(parts, collection=f"fresh-{model}").values()}
    order = [mapping[tile.source] for _, tile in sorted(tiles_of(parts).items())]
    return parts.vectors.retrieve_vectors(parts.collections.live(f"fresh-{model}").index, order).embedding


def test_another_head_is_a_matrix_product_of_stored_features(parts: Container) -> None:
    before = tiles_of(parts)
    old = parts.collections.live(ARCHIVE).index
    result = reindexed(parts, "better", margin=1.0)
    assert result["switched"], result
    assert (result["index_version"], result["previous_version"]) == ("better.1", "base.1")
    assert (result["tiles"], result["projected"], result["embedded"], result["left_out"]) == (60, 60, 0, [])
    live = parts.collections.live(ARCHIVE)
    assert (live.model, parts.collections.get(ARCHIVE).model) == ("better", "better")
    assert tiles_of(parts) == before
    np.testing.assert_allclose(rows_of(parts), fresh_rows(parts, "better"), atol=5e-3)
    ids = sorted(before)
    ours, theirs = parts.vectors.retrieve_vectors(live.index, ids), parts.vectors.retrieve_vectors(old, ids)
    np.testing.assert_array_equal(ours.pair, theirs.pair)
    np.testing.assert_array_equal(ours.feature, theirs.feature)


def test_a_bundle_with_the_same_encoder_is_a_copy(parts: Container) -> None:
    before = rows_of(parts)
    folder = parts.home.models / "renamed"
    shutil.copytree(parts.home.models / "base", folder)
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | {"id": "renamed"}))
    result = reindexed(parts, "renamed")
    assert (result["switched"], result["copied"], result["embedded"]) == (True, 60, 0)
    np.testing.assert_array_equal(rows_of(parts), before)


def test_tiles_without_a_stored_feature_are_embedded(parts: Container) -> None:
    index = parts.collections.live(ARCHIVE).index
    bare = list(tiles_of(parts).values())[5:8]
    rows = parts.vectors.retrieve_vectors(index, [tile.id for tile in bare])
    parts.vectors.upsert(index, bare, Embeddings(rows.embedding))
    result = reindexed(parts, "better", margin=1.0)
    assert (result["switched"], result["tiles"]) == (True, 60)
    assert result["embedded"] >= 3
    np.testing.assert_allclose(rows_of(parts), fresh_rows(parts, "better"), atol=5e-3)


def test_another_encoder_looks_at_the_images_again(parts: Container) -> None:
    result = reindexed(parts, "other", margin=1.0)
    assert (result["switched"], result["embedded"], result["projected"]) == (True, 60, 0), result
    np.testing.assert_allclose(rows_of(parts), fresh_rows(parts, "other"), atol=1e-6)
    back = parts.vectors.retrieve_vectors(parts.collections.live(ARCHIVE).index, sorted(tiles_of(parts)))
    assert back.feature is not None
    assert back.pair is None


def test_the_same_model_again_embeds_everything_anew(parts: Container) -> None:
    before = rows_of(parts)
    result = reindexed(parts, "base")
    assert (result["switched"], result["embedded"], result["index_version"]) == (True, 60, "base.2")
    np.testing.assert_allclose(rows_of(parts), before, atol=1e-6)
    assert result["gate"]["map"]["old"] == result["gate"]["map"]["new"]
    assert result["gate"]["overlap_at_10"] == 1.0


def test_a_hand_crafted_model_serves_too(parts: Container) -> None:
    assert reindexed(parts, "hog", margin=1.0)["index_version"] == "hog.1"
    assert parts.collections.info(ARCHIVE).dimension == parts.models.card("hog").dimension


def test_a_worse_index_does_not_take_the_place(parts: Container) -> None:
    before, rows = tiles_of(parts), rows_of(parts)
    result = reindexed(parts, "worse")
    assert not result["switched"]
    assert "mean average precision" in result["reason"]
    assert "margin" in result["reason"]
    assert result["gate"]["map"]["new"] < result["gate"]["map"]["old"] - 0.01
    assert (result["index_version"], result["previous_version"]) == ("base.1", "base.1")
    assert parts.vectors.indexes() == ["stripes.base.1"]
    assert parts.collections.get(ARCHIVE).model == "base"
    assert tiles_of(parts) == before
    np.testing.assert_array_equal(rows_of(parts), rows)


def test_force_switches_and_says_so(parts: Container) -> None:
    result = reindexed(parts, "worse", force=True)
    assert result["switched"]
    assert result["reason"].startswith("forced, although mean average precision")
    assert parts.collections.live(ARCHIVE).version == "worse.1"


def test_a_refusal_ends_following_the_active_model(tmp_path: Path) -> None:
    write_models(tmp_path / "home")
    with opened(tmp_path / "home") as parts:
        parts.models.activate("base")
        parts.collections.create(ARCHIVE, tile_size=32)
        index_pictures(parts, write_pictures(tmp_path / "pictures"))
        parts.models.activate("worse")
        assert parts.collections.wanted_model(parts.collections.get(ARCHIVE)) == "worse"
        assert not reindexed(parts)["switched"]
        assert parts.collections.wanted_model(parts.collections.get(ARCHIVE)) == "base"


def test_the_active_model_is_what_a_follower_gets(tmp_path: Path) -> None:
    write_models(tmp_path / "home")
    with opened(tmp_path / "home") as parts:
        parts.models.activate("base")
        parts.collections.create(ARCHIVE, tile_size=32)
        index_pictures(parts, write_pictures(tmp_path / "pictures"))
        parts.models.activate("better")
        assert reindexed(parts, margin=1.0)["index_version"] == "better.1"
        assert parts.collections.get(ARCHIVE).follows_active


def unlabel(parts: Container) -> None:
    parts.vectors.set_labels(parts.collections.live(ARCHIVE).index, dict.fromkeys(tiles_of(parts), ()))


def test_without_labels_a_person_decides(parts: Container) -> None:
    unlabel(parts)
    result = reindexed(parts, "other")
    assert (result["switched"], result["verdict"], result["candidate_version"]) == (False, "undecided", "other.1")
    assert (result["index_version"], parts.collections.live(ARCHIVE).version) == ("base.1", "base.1")
    assert "quality could not be compared: no labelled tile" in result["reason"]
    assert result["gate"]["map"] is None
    assert result["gate"]["latency_ms"]["new"] > 0
    kept = {index.name.version: index for index in parts.rollback.kept(ARCHIVE)}
    assert (kept["other.1"].is_candidate, kept["base.1"].is_candidate) == (True, False)
    assert kept["other.1"].outcome == result
    assert parts.rollback.rollback(ARCHIVE, "other.1").version == "other.1"
    assert [index.is_candidate for index in parts.rollback.kept(ARCHIVE)] == [False, False]
    assert parts.rollback.rollback(ARCHIVE).version == "base.1"


def test_a_candidate_is_not_a_previous_version(parts: Container) -> None:
    unlabel(parts)
    for model in ("better", "better", "other"):
        assert reindexed(parts, model)["verdict"] == "undecided"
    assert parts.vectors.indexes() == ["stripes.base.1", "stripes.other.1"]
    with pytest.raises(Conflict, match=r"no index version older than base\.1"):
        parts.rollback.rollback(ARCHIVE)
    assert reindexed(parts, "better", force=True)["reason"].startswith("forced, although quality could not be compared")
    assert parts.rollback.rollback(ARCHIVE).version == "base.1"


def test_the_same_vectors_are_evidence_without_labels(parts: Container) -> None:
    unlabel(parts)
    result = reindexed(parts, "base")
    assert (result["switched"], result["verdict"], result["index_version"]) == (True, "passed", "base.2")
    assert "same results" in result["reason"]


def test_an_empty_collection_is_switched(parts: Container) -> None:
    parts.collections.create("empty", model="base")
    result = reindexed(parts, "better", "empty")
    assert (result["switched"], result["tiles"], result["gate"]["latency_ms"]) == (True, 0, None)
    assert parts.collections.live("empty").model == "better"


def test_an_image_that_is_gone_fails_the_job_unless_it_is_forced(parts: Container) -> None:
    tiles = list(tiles_of(parts).values())
    parts.blobs.delete([tiles[0].image])
    parts.blobs.put(tiles[1].image, b"no image")
    job = ended(parts, parts.reindex.submit(ARCHIVE, "other"))
    assert job.status is JobStatus.FAILED
    assert job.error is not None
    assert "2 tiles cannot be embedded" in job.error
    assert tiles[0].source in job.error
    assert parts.vectors.indexes() == ["stripes.base.1"]
    result = reindexed(parts, "other", margin=1.0, force=True)
    assert {each["source"] for each in result["left_out"]} == {tiles[0].source, tiles[1].source}
    assert set(tiles_of(parts)) == {tile.id for tile in tiles[2:]}


def test_a_head_that_disagrees_with_its_graph_is_not_used(parts: Container, caplog: pytest.LogCaptureFixture) -> None:
    folder = parts.home.models / "liar"
    encoder = parts.models.card("base").files["encoder.onnx"]
    write_headed_bundle(folder, random_head(5), pair=True, encoder_digest=encoder, pair_digest=encoder)
    weight, bias = random_head(6)
    np.savez(folder / "head.npz", weight=weight, bias=bias)
    card = json.loads((folder / "card.json").read_text())
    card["files"] |= digests(folder, ["head.npz"])
    (folder / "card.json").write_text(json.dumps(card))
    result = reindexed(parts, "liar", margin=1.0)
    assert (result["projected"], result["embedded"]) == (0, 60)
    assert "disagrees with its graph" in caplog.text


def test_a_model_that_does_not_fit_is_refused_at_once(parts: Container) -> None:
    with pytest.raises(NotFound, match="no model 'nobody'"):
        parts.reindex.submit(ARCHIVE, "nobody")
    with pytest.raises(NotFound, match="no collection"):
        parts.reindex.submit("nowhere", "base")
    write_bundle(parts.home.models / "narrow", tiny_graph(bands=1), bands=["grey"], normalisation=None)
    parts.collections.create("colours", model="hog", bands=(3, 2, 1))
    with pytest.raises(ModelMismatch, match="takes 1 bands"):
        parts.reindex.submit("colours", "narrow")
    assert parts.jobs.list("colours") == []


Touch = Callable[[Container, list[Tile]], None]


def relabel(parts: Container, tiles: list[Tile]) -> None:
    for tile in tiles[:7]:
        parts.items.patch(ARCHIVE, tile.id, labels=("changed",), properties={"seen": True})


def delete(parts: Container, tiles: list[Tile]) -> None:
    for tile in tiles[7:12]:
        parts.items.delete(ARCHIVE, tile.id)


def both(parts: Container, tiles: list[Tile]) -> None:
    relabel(parts, tiles)
    delete(parts, tiles)
    parts.items.delete(ARCHIVE, tiles[0].id)


@pytest.mark.parametrize("touch", [relabel, delete, both])
@pytest.mark.parametrize("moment", ["while filling", "while judging", "when the lock is asked for"])
def test_what_people_do_meanwhile_is_in_the_new_index(
    parts: Container, monkeypatch: pytest.MonkeyPatch, touch: Touch, moment: str
) -> None:
    tiles = sorted(tiles_of(parts).values(), key=lambda tile: tile.id)
    run_once = _at(parts, monkeypatch, moment)
    run_once(lambda: touch(parts, tiles))
    result = reindexed(parts, "better", margin=1.0)
    assert result["switched"]
    expected = {tile.id: tile for tile in tiles}
    if touch is not delete:
        changed = {"labels": ("changed",), "properties": {"seen": True}}
        expected.update({tile.id: replace(tile, **changed) for tile in tiles[:7]})  # type: ignore[arg-type]
    gone = [*(tiles[7:12] if touch is not relabel else []), *(tiles[:1] if touch is both else [])]
    for tile in gone:
        del expected[tile.id]
    assert tiles_of(parts) == expected
    assert result["tiles"] == len(expected)


def test_new_metadata_of_a_picture_does_not_make_its_vectors_again(parts: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    tiles = list(tiles_of(parts).values())
    index = parts.collections.live(ARCHIVE).index
    described = [replace(tile, content_hash="other", labels=("new",)) for tile in tiles[:3]]
    _at(parts, monkeypatch, "while judging")(lambda: parts.vectors.set_records(index, described))
    result = reindexed(parts, "better", margin=1.0)
    assert result["projected"] == len(tiles)
    assert [tiles_of(parts)[tile.id] for tile in described] == described


def _at(
    parts: Container, monkeypatch: pytest.MonkeyPatch, moment: str, *, projects: bool = True
) -> Callable[[Callable[[], None]], None]:
    """Have something happen once, in the job's own thread, at a moment of the next re-indexing."""
    owner, name = {
        "while filling": (parts.vectors, "copy_with_vectors" if projects else "upsert"),
        "while judging": (parts.reindex._gate, "judge"),
        "when the lock is asked for": (parts.collections, "writing"),
    }[moment]
    original = getattr(owner, name)

    def arrange(happen: Callable[[], None]) -> None:
        def called(*args: object, **options: object) -> object:
            monkeypatch.setattr(owner, name, original)
            happen()
            return original(*args, **options)

        monkeypatch.setattr(owner, name, called)

    return arrange


def test_a_dismissed_job_leaves_nothing_behind(parts: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    happen = _at(parts, monkeypatch, "while judging")
    happen(lambda: _dismiss_all(parts))
    job = ended(parts, parts.reindex.submit(ARCHIVE, "better", margin=1.0))
    assert job.status is JobStatus.DISMISSED
    assert parts.vectors.indexes() == ["stripes.base.1"]
    assert [record.index for record in parts.indexes.whole(ARCHIVE)] == ["stripes.base.1"]


def _dismiss_all(parts: Container) -> None:
    for job in parts.jobs.list(ARCHIVE, (JobStatus.RUNNING,)):
        parts.jobs.dismiss(job.id)


def test_a_collection_can_be_deleted_while_it_is_re_indexed(parts: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    deleted = threading.Thread(target=parts.collections.delete, args=(ARCHIVE,))
    happen = _at(parts, monkeypatch, "while filling")
    happen(deleted.start)
    job = parts.reindex.submit(ARCHIVE, "better", margin=1.0)
    while deleted.ident is None:
        time.sleep(0.01)
    deleted.join(60)
    assert not parts.jobs.is_active(job.id)
    assert parts.vectors.indexes() == []
    assert list(parts.blobs.keys("indexes/")) == []


def test_three_indexes_are_kept_the_live_one_included(parts: Container) -> None:
    for model in ("better", "base", "better", "base"):
        assert reindexed(parts, model, margin=1.0)["switched"]
    kept = parts.rollback.kept(ARCHIVE)
    assert [(index.name.version, index.is_live) for index in kept] == [("base.3", True), ("better.2", False), ("base.2", False)]
    assert parts.vectors.indexes() == ["stripes.base.2", "stripes.base.3", "stripes.better.2"]
    with pytest.raises(NotFound, match=r"available: base\.2, base\.3, better\.2"):
        parts.collections.live(ARCHIVE, "base.1")


INTERRUPTED = ["while filling", "while judging", "when the lock is asked for"]


@pytest.mark.parametrize("moment", INTERRUPTED)
def test_a_stopped_build_goes_on_at_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    with opened_archive(tmp_path, 60) as parts:
        before = tiles_of(parts)
        _at(parts, monkeypatch, moment, projects=False)(cast(LocalQueue, parts.queue)._stopping.set)
        job = parts.reindex.submit(ARCHIVE, "other", margin=1.0)
        assert _put_back(parts, job.id)
    with opened(tmp_path / "home") as parts:
        assert parts.collections.live(ARCHIVE).version == "base.1"
        job = ended(parts, job)
        assert job.result is not None, job.error
        assert (job.result["switched"], job.result["index_version"]) == (True, "other.1")
        if moment != "while filling":
            assert job.result["embedded"] == 0
        assert tiles_of(parts) == before
        assert parts.vectors.indexes() == ["stripes.base.1", "stripes.other.1"]


def _put_back(parts: Container, job_id: str) -> bool:
    """Whether the job was put back, in a minute."""
    for _ in range(6000):
        job = parts.jobs.get(job_id)
        if job.attempts == 0 and job.started is not None:
            return True
        assert not job.status.ended, job
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("moment", ["finish", "switch"])
def test_a_kill_about_the_switch_is_mended(parts: Container, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """The job runs again, as it does after a kill, with what it had written before and after the alias was switched."""
    owner = {"finish": parts.indexes, "switch": parts.collections}[moment]
    original = getattr(owner, moment)

    def killed(*args: object, **options: object) -> None:
        original(*args, **options)
        raise Interrupted

    monkeypatch.setattr(owner, moment, killed)
    job = parts.reindex.submit(ARCHIVE, "better", margin=1.0)
    assert _put_back(parts, job.id)
    monkeypatch.setattr(owner, moment, original)
    live = parts.collections.live(ARCHIVE).version
    assert live == {"finish": "base.1", "switch": "better.1"}[moment]
    done = ended(parts, job)
    assert done.result is not None
    assert (done.result["switched"], done.result["index_version"]) == (True, "better.1")
    assert done.result["previous_version"] == "base.1"
    assert len(tiles_of(parts)) == 60
    assert parts.vectors.indexes() == ["stripes.base.1", "stripes.better.1"]


def test_unfinished_indexes_without_a_job_are_put_into_quarantine(tmp_path: Path) -> None:
    write_models(tmp_path / "home")
    with opened(tmp_path / "home") as parts:
        parts.collections.create(ARCHIVE, model="base")
        unfinished = parts.indexes.begin(ARCHIVE, "better", "no-such-job")
        parts.vectors.create_index(unfinished, 12)
        assert parts.vectors.indexes() == ["stripes.base.1", unfinished]
        parts.vectors.create_index("stripes.better.9", 12)
    with opened(tmp_path / "home") as parts:
        names = [entry.name for entry in parts.garbage.quarantine.entries()]
        assert names == [unfinished, "stripes.better.9"]
        parts.garbage.delete_quarantined()
        assert parts.vectors.indexes() == ["stripes.base.1"]
        assert parts.indexes.record(unfinished) is None
