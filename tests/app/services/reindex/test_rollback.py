"""Going back to an older index, with all that was written since."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.container import Container
from app.domain.jobs import JobStatus
from app.errors import Conflict, DyadError, NotFound
from app.services.reindex import rollback
from tests.support.archives import (
    ARCHIVE,
    index_pictures,
    opened_archive,
    reindexed,
    rows_of,
    tiles_of,
)
from tests.support.labelled import ended
from tests.support.pictures import striped


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Container]:
    with opened_archive(tmp_path, 5) as container:
        assert reindexed(container, "other", margin=1.0)["switched"]
        yield container


def add(parts: Container, tmp_path: Path, count: int = 3) -> None:
    (tmp_path / "later").mkdir(exist_ok=True)
    for seed in range(count):
        (tmp_path / "later" / f"{seed}.png").write_bytes(striped(70, seed=seed, size=32))
    index_pictures(parts, tmp_path / "later")


def test_what_was_written_since_is_carried_over(parts: Container, tmp_path: Path) -> None:
    tiles = sorted(tiles_of(parts).values(), key=lambda tile: tile.id)
    parts.items.patch(ARCHIVE, tiles[0].id, labels=("new",))
    parts.items.delete(ARCHIVE, tiles[1].id)
    add(parts, tmp_path)
    expected = tiles_of(parts)
    assert parts.rollback.rollback(ARCHIVE).version == "base.1"
    assert tiles_of(parts) == expected
    assert expected[tiles[0].id] == replace(tiles[0], labels=("new",))
    assert (parts.collections.get(ARCHIVE).model, parts.collections.live(ARCHIVE).model) == ("base", "base")
    index_pictures(parts, tmp_path / "pictures", "base", "fresh")
    index_pictures(parts, tmp_path / "later", "base", "fresh")
    fresh = {tile.source: tile.id for tile in tiles_of(parts, collection="fresh").values()}
    order = [fresh[tile.source] for _, tile in sorted(expected.items())]
    np.testing.assert_allclose(rows_of(parts), parts.vectors.retrieve_vectors("fresh.base.1", order).embedding, atol=1e-6)


def test_back_and_forth(parts: Container) -> None:
    assert parts.rollback.rollback(ARCHIVE).version == "base.1"
    with pytest.raises(Conflict, match=r"no index version older than base\.1; newer versions: other\.1"):
        parts.rollback.rollback(ARCHIVE)
    assert parts.rollback.rollback(ARCHIVE, "other.1").version == "other.1"
    assert parts.rollback.rollback(ARCHIVE, "other.1").version == "other.1"
    with pytest.raises(NotFound, match=r"other\.7"):
        parts.rollback.rollback(ARCHIVE, "other.7")


def test_a_new_tile_whose_image_is_gone_is_not_lost_unawares(parts: Container, tmp_path: Path) -> None:
    before = set(tiles_of(parts))
    add(parts, tmp_path)
    new = [tile for tile in tiles_of(parts).values() if tile.id not in before]
    parts.blobs.delete([new[0].image])
    with pytest.raises(DyadError, match="1 tiles cannot be embedded"):
        parts.rollback.rollback(ARCHIVE)
    assert parts.collections.live(ARCHIVE).version == "other.1"
    parts.rollback.rollback(ARCHIVE, force=True)
    assert set(tiles_of(parts)) == {*before, new[1].id, new[2].id}


def test_so_many_new_tiles_are_a_matter_of_re_indexing(
    parts: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(parts, tmp_path)
    monkeypatch.setattr(rollback, "MAX_EMBEDDED", 2)
    with pytest.raises(Conflict, match=r"more than 2 tiles.*re-index"):
        parts.rollback.rollback(ARCHIVE)
    assert parts.collections.live(ARCHIVE).version == "other.1"


def test_jobs_that_write_go_first(parts: Container, tmp_path: Path) -> None:
    parts.queue.close()  # the next job waits for ever
    job = parts.reindex.submit(ARCHIVE, "better")
    with pytest.raises(Conflict, match=rf"is being written by job {job.id} \(reindex\)"):
        parts.rollback.rollback(ARCHIVE)
    parts.jobs.dismiss(job.id)
    assert parts.rollback.rollback(ARCHIVE).version == "base.1"


def test_an_ingest_under_way_does_not_mix_models(parts: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A switch between the look at the model and the write: refused by name, nothing of the wrong model is written."""
    index = parts.collections.live(ARCHIVE).index
    model = parts.models.load("other")

    def switched(*args: object, **options: object) -> object:
        monkeypatch.undo()
        parts.collections.switch(ARCHIVE, "stripes.base.1")
        return model.embed(*args, **options)  # type: ignore[arg-type]

    (tmp_path / "late.png").write_bytes(striped(10, size=32))
    monkeypatch.setattr(type(model), "embed", lambda self, tiles: switched(tiles))
    job = ended(parts, parts.ingest.submit_paths(ARCHIVE, [tmp_path / "late.png"]))
    assert job.status is JobStatus.FAILED
    assert job.error is not None
    assert "was switched from model 'other' to 'base'" in job.error
    assert parts.vectors.stats(index).size == parts.vectors.stats("stripes.base.1").size == 20
