from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.data.errors import DataError
from models.data.folders import concatenate, list_class_folders, list_images


def write(path: Path, shade: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), (shade, 0, 0)).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for place, name in enumerate(["beach/1.png", "beach/2.png", "airport/x.png", "airport/deep/y.png", "river/r.png"]):
        write(tmp_path / name, place)
    write(tmp_path / "river/copy.png", 2)  # the same bytes as airport/x.png
    (tmp_path / "beach/notes.txt").write_text("no image")
    (tmp_path / "empty").mkdir()
    return tmp_path


def test_lists_classes_in_order(root: Path) -> None:
    images = list_class_folders(root)
    assert images.classes == ("airport", "beach", "river")
    assert [str(path.relative_to(root)) for path in images.paths] == [
        "airport/deep/y.png",
        "airport/x.png",
        "beach/1.png",
        "beach/2.png",
        "river/copy.png",
        "river/r.png",
    ]
    np.testing.assert_array_equal(images.labels, [0, 0, 1, 1, 2, 2])
    np.testing.assert_array_equal(images.groups, [0, 1, 2, 3, 1, 4])


def test_lists_without_labels(root: Path) -> None:
    images = list_images(root)
    assert len(images) == 6
    assert set(images.labels) == {-1}
    assert images.classes == ()


def test_keeps_some_classes(root: Path) -> None:
    images = list_class_folders(root)
    kept = images.only_classes(["river", "airport"])
    assert kept.classes == ("airport", "river")
    np.testing.assert_array_equal(kept.labels, [0, 0, 1, 1])
    assert kept.paths == images.without_classes(["beach"]).paths
    with pytest.raises(DataError, match="no such classes: lake; there are airport, beach, river"):
        images.only_classes(["lake"])
    with pytest.raises(DataError, match="lake"):
        images.without_classes(["lake"])


def test_joins_classes_by_name(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    write(other / "beach/z.png", 9)
    write(other / "forest/z.png", 8)
    joined = concatenate([list_class_folders(root), list_class_folders(other), list_images(other)])
    assert joined.classes == ("airport", "beach", "forest", "river")
    np.testing.assert_array_equal(joined.labels, [0, 0, 1, 1, 3, 3, 1, 2, -1, -1])
    with pytest.raises(DataError, match="at least one"):
        concatenate([])


def test_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a folder"):
        list_class_folders(tmp_path / "nowhere")
    with pytest.raises(DataError, match="holds no CLASS/IMAGE"):
        list_class_folders(tmp_path)
    with pytest.raises(DataError, match="holds no file"):
        list_images(tmp_path)


def test_finds_the_known_duplicates(data_dir: Path) -> None:
    images = list_class_folders(data_dir / "ucmerced")
    assert (len(images), len(images.classes)) == (2100, 21)
    names = {path.name: group for path, group in zip(images.paths, images.groups, strict=True)}
    assert names["airplane01.jpg"] == names["airplane02.jpg"]
    assert names["airplane01.jpg"] != names["airplane03.jpg"]
