from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from app.container import Container
from app.domain.held_out import is_held_out
from app.domain.tiles import Tile
from app.imagery.tiling.tiler import read_tile
from app.ports import Cancelled
from app.services.training import archive_sample, training_files
from app.services.training.subject import Subject, Subjects
from app.services.training.training_files import TrainingFiles
from models.bundle.manifest import Manifest
from tests.support.context import Context


@pytest.fixture
def subject(container: Container, tiles: list[Tile]) -> Subject:
    assert tiles
    return _subjects(container).of("shapes")


def _subjects(container: Container) -> Subjects:
    return Subjects(container.collections, container.models, container.vectors, container.blobs, 10_000_000)


@pytest.fixture
def files(container: Container, subject: Subject) -> TrainingFiles:
    return _subjects(container).files(subject)


def test_arrays_are_of_the_tiles_in_the_order_of_their_ids(
    container: Container,
    tiles: list[Tile],
    subject: Subject,
    files: TrainingFiles,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(training_files, "SCANNED", 7)
    both = container.items.patch("shapes", tiles[0].id, labels=("stripes", "rare", "slopes"))
    tiles = [both, *tiles[1:]]
    context = Context()
    counts = files.write(tmp_path, subject.classes.kept, context, features=True)
    known = container.vectors.retrieve_vectors(subject.live.index, [tile.id for tile in tiles])
    labels = np.array([[name in tile.labels for name in ("slopes", "stripes")] for tile in tiles])
    held_out = np.array([is_held_out(tile.id) for tile in tiles])
    np.testing.assert_array_equal(np.load(tmp_path / "embeddings.npy"), known.embedding)
    np.testing.assert_array_equal(np.load(tmp_path / "features.npy"), known.feature)
    np.testing.assert_array_equal(np.load(tmp_path / "labels.npy"), labels)
    np.testing.assert_array_equal(np.load(tmp_path / "held_out.npy"), held_out)
    is_labelled = labels.any(axis=1)
    places = np.load(tmp_path / "places.npy")
    np.testing.assert_array_equal(places >= 0, is_labelled)
    assert len(set(places[is_labelled].tolist())) == is_labelled.sum()  # pictures without a place
    assert counts == {"tiles": 31, "labelled": is_labelled.sum(), "held_out": (is_labelled & held_out).sum()}
    percents = [percent for percent, _, _ in context.published]
    assert percents == sorted(percents)


def test_labelled_tiles_come_with_what_the_matcher_needs(
    container: Container, tiles: list[Tile], subject: Subject, files: TrainingFiles, tmp_path: Path
) -> None:
    damaged = next(tile for tile in tiles if tile.labels == ("slopes",))
    container.blobs.put(damaged.image, b"no image")
    files.write(tmp_path, subject.classes.kept, Context(), features=False)
    assert not (tmp_path / "features.npy").exists()
    labelled = [row for row, tile in enumerate(tiles) if {"slopes", "stripes"} & set(tile.labels) and tile != damaged]
    np.testing.assert_array_equal(np.load(tmp_path / "rows.npy"), labelled)
    ids = [tiles[row].id for row in labelled]
    np.testing.assert_array_equal(
        np.load(tmp_path / "pairs.npy"), container.vectors.retrieve_vectors(subject.live.index, ids).pair
    )
    unlabelled = [row for row, tile in enumerate(tiles) if not tile.labels]
    np.testing.assert_array_equal(np.load(tmp_path / "archive_rows.npy"), unlabelled)
    others = container.vectors.retrieve_vectors(subject.live.index, [tiles[row].id for row in unlabelled]).pair
    np.testing.assert_array_equal(np.load(tmp_path / "archive_pairs.npy"), others)
    pixels = [read_tile(container.blobs.get(tiles[row].image), subject.spec, None) for row in labelled]
    np.testing.assert_array_equal(np.load(tmp_path / "pixels.npy"), pixels)


def test_of_many_labelled_tiles_each_class_gives_as_many(
    subject: Subject, files: TrainingFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_files, "MAX_PAIRS", 10)
    files.write(tmp_path, subject.classes.kept, Context(), features=False)
    chosen = np.load(tmp_path / "labels.npy")[np.load(tmp_path / "rows.npy")]
    np.testing.assert_array_equal(chosen.sum(axis=0), [5, 5])


def test_the_archive_is_sampled_evenly(
    tiles: list[Tile], subject: Subject, files: TrainingFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_sample, "ARCHIVE", 4)
    files.write(tmp_path, subject.classes.kept, Context(), features=False)
    rows = np.load(tmp_path / "archive_rows.npy")
    assert len(rows) <= 4
    assert all(row % 8 == 0 and not tiles[row].labels for row in rows)  # 31 tiles
    assert len(np.load(tmp_path / "archive_pairs.npy")) == len(rows)


def test_the_estimate_of_the_size_is_about_right(subject: Subject, files: TrainingFiles, tmp_path: Path) -> None:
    files.write(tmp_path, subject.classes.kept, Context(), features=True)
    written = sum(path.stat().st_size for path in tmp_path.glob("*.npy"))
    assert 0.7 * files.size(2, features=True) < written < 1.2 * files.size(2, features=True)


def test_writing_stops_where_the_job_does(subject: Subject, files: TrainingFiles, tmp_path: Path) -> None:
    def stop() -> None:
        raise Cancelled("dismissed")

    with pytest.raises(Cancelled):
        files.write(tmp_path, subject.classes.kept, Context(stop), features=True)


def test_the_manifest_says_what_to_make(tmp_path: Path) -> None:
    manifest = Manifest(
        bundle=tmp_path / "base" / "dyad",
        classes=("a", "b"),
        id="m-1",
        title="Möwen",
        collection="coast",
        seed=3,
        recipe={"steps": 5},
    )
    manifest.write(tmp_path)
    assert json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8")) == {
        "id": "m-1",
        "title": "Möwen",
        "collection": "coast",
        "bundle": str(tmp_path / "base" / "dyad"),
        "classes": ["a", "b"],
        "seed": 3,
        "recipe": {"steps": 5},
    }
