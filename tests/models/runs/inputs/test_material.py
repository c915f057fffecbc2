from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.data.errors import DataError
from models.runs.inputs.material import load_material
from tests.support.image_folders import write_class_folders


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    return {
        "one": write_class_folders(tmp_path / "one", {"beach": 4, "pond": 8}, count=10),
        "two": write_class_folders(tmp_path / "two", {"Beach": 4, "Port": 16}, count=20, seed=1),
    }


def test_each_data_set_is_split_by_itself_and_nothing_is_on_two_sides(folders: dict[str, Path], tmp_path: Path) -> None:
    found = load_material(folders, 16, tmp_path / "cache", train_fraction=0.8, validation_fraction=0.1)
    parts = (found.train, found.validation, found.test)
    assert sorted(np.concatenate(parts).tolist()) == list(range(60))
    assert [len(found.of("one", part)) for part in parts] == [14, 2, 4]
    assert [len(found.of("two", part)) for part in parts] == [28, 4, 8]
    assert found.pixels.shape == (60, 16, 16, 3)


def test_classes_of_one_new_name_are_one(folders: dict[str, Path], tmp_path: Path) -> None:
    found = load_material(folders, 16, tmp_path / "cache", train_fraction=0.5, same_class={"beach": "Beach"})
    assert found.images.classes == ("Beach", "Port", "pond")
    assert np.bincount(found.labels).tolist() == [30, 20, 10]
    named = [path.parent.name.lower() for path in found.images.paths]
    assert named == [found.images.classes[label].lower() for label in found.labels]


def test_another_size_keeps_order_and_split(folders: dict[str, Path], tmp_path: Path) -> None:
    small = load_material(folders, 16, tmp_path / "cache", train_fraction=0.5)
    large = small.at_size(32, tmp_path / "cache")
    assert large.pixels.shape == (60, 32, 32, 3)
    assert large.train is small.train
    for row in large.of("two", large.train)[-5:]:  # wide stripes
        shrunk = large.pixels[row].reshape(16, 2, 16, 2, 3).mean(axis=(1, 3))
        assert np.corrcoef(shrunk.ravel(), small.pixels[row].ravel())[0, 1] > 0.95


def test_a_class_of_one_image_is_refused(tmp_path: Path) -> None:
    folder = write_class_folders(tmp_path / "one", {"beach": 4}, count=1)
    with pytest.raises(DataError, match="only one image"):
        load_material({"one": folder}, 16, tmp_path / "cache", train_fraction=0.5)
