"""Splits that are found again, shares of labels, and arguments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.data.errors import DataError
from models.data.folders import list_class_folders
from models.runs.command_line import UsageError, parse_bands, parse_folders, parse_names
from models.runs.inputs.material import load_material
from models.runs.inputs.recorded_splits import describe_splits, rows_with, trained_on
from models.runs.inputs.training_data import DataChoice, load_training_data
from tests.support.image_folders import write_class_folders


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_class_folders(tmp_path_factory.mktemp("data") / "set", {"b": 4, "c": 8, "a": 16}, count=10, size=16)


def test_a_split_is_found_again_by_the_images(folder: Path, tmp_path: Path) -> None:
    options = {"seed": 3, "train_fraction": 0.6, "same_class": {"a": "z"}, "without_classes": ["c"]}
    material = load_material({"set": folder}, 16, tmp_path, **options)  # type: ignore[arg-type]
    splits = describe_splits(material, **options)  # type: ignore[arg-type]
    images = list_class_folders(folder)
    found = trained_on(splits, images)
    assert found is not None
    assert found.name == "set"
    wanted = {material.images.paths[row] for row in material.train}
    assert {images.paths[row] for row in rows_with(images, found.hashes())} == wanted
    assert trained_on(splits, images.without_classes(["b"])) is None
    assert trained_on({"rule": "by hand"}, images) is None
    with pytest.raises(DataError, match="splits are invalid"):
        trained_on({"sets": {"set": {}}}, images)


@pytest.mark.parametrize(
    ("choice", "protocol", "labelled", "unlabelled", "test"),
    [
        ({}, "A-80", 24, 0, 6),
        ({"train_fraction": 0.5, "validation": 0.1}, "A-50", 12, 0, 15),
        ({"labelled": 0.2}, "B-20", 6, 24, 24),
        ({"labelled": 0.2, "train_fraction": 0.8}, "A-80", 6, 18, 6),
    ],
)
def test_shares_of_labels(
    folder: Path, tmp_path: Path, choice: dict[str, float], protocol: str, labelled: int, unlabelled: int, test: int
) -> None:
    data = load_training_data(DataChoice({"set": folder}, **choice), 16, tmp_path, lambda done, total: None)  # type: ignore[arg-type]
    assert data.choice.protocol.name == protocol
    assert (len(data.rows), len(data.unlabelled), len(data.material.test)) == (labelled, unlabelled, test)
    assert not set(data.rows) & {*data.unlabelled, *data.material.test, *data.material.validation}
    assert np.bincount(data.labels).tolist() == [labelled // 3] * 3


def test_more_unlabelled_images_take_no_part_in_the_splits(folder: Path, tmp_path: Path) -> None:
    choice = DataChoice({"set": folder}, unlabelled=(folder / "a",))
    data = load_training_data(choice, 16, tmp_path, lambda done, total: None)
    assert len(data.material.images) == 40
    assert data.unlabelled.tolist() == list(range(30, 40))
    assert data.describe()["sets"]["set"]["images"] == 30


def test_shares_that_leave_nothing_are_refused(folder: Path, tmp_path: Path) -> None:
    for choice in ({"labelled": 0.5, "train_fraction": 0.4}, {"train_fraction": 0.2, "validation": 0.3}):
        with pytest.raises(UsageError):
            load_training_data(DataChoice({"set": folder}, **choice), 16, tmp_path, lambda done, total: None)  # type: ignore[arg-type]


def test_arguments(folder: Path, tmp_path: Path) -> None:
    assert parse_folders([f"mine={folder}", str(folder)]) == {"mine": folder, "set": folder}
    odd = tmp_path / "a=b"
    odd.mkdir()
    assert parse_folders([str(odd)]) == {"a=b": odd}
    assert parse_bands("3, 2,1") == (2, 1, 0)
    assert parse_bands(None) is None
    assert parse_names("a, b,,") == ("a", "b")
    for texts in ([str(folder), str(folder)], ["nowhere"]):
        with pytest.raises(UsageError):
            parse_folders(texts)
    for text in ("0", "red"):
        with pytest.raises(UsageError):
            parse_bands(text)
