"""Refusals of paths do not reveal where a link leads, or what exists outside of the allowed folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import Forbidden, InvalidInput
from app.services.ingest.incoming.read_policy import ReadPolicy


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    (folder / "locked").mkdir(parents=True)
    (folder / "secret.tif").write_bytes(b"x")
    (folder / "loop").symlink_to("loop")
    return folder


@pytest.fixture
def root(tmp_path: Path, outside: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "a.tif").write_bytes(b"x")
    return folder


@pytest.mark.parametrize(
    "name", ["secret.tif", "missing.tif", "secret.tif/below", "locked/x", "loop", "loop/x", "n" * 300, "nul\0"]
)
def test_what_is_outside_is_refused_alike(root: Path, outside: Path, name: str) -> None:
    for path in (outside / name, root / ".." / "outside" / name):
        with pytest.raises(Forbidden) as refused:
            ReadPolicy((root,)).resolve(path)
        assert str(refused.value).removeprefix(str(path)).startswith(": the server may not read this path")


@pytest.mark.parametrize("name", ["secret.tif", "missing.tif", "locked", "secret.tif/below"])
def test_a_link_does_not_tell_its_target(root: Path, outside: Path, name: str) -> None:
    (root / "link").symlink_to(outside / name)
    with pytest.raises(Forbidden) as refused:
        ReadPolicy((root,)).resolve(root / "link")
    assert str(outside) not in str(refused.value)


@pytest.mark.parametrize("path", ["~", "~/x", "~root/x", "~nobody-at-all/x", "relative", ""])
def test_homes_and_relative_paths_are_not_read_for_clients(root: Path, path: str) -> None:
    with pytest.raises(Forbidden):
        ReadPolicy((root,)).resolve(Path(path))


def test_links_within_the_allowed_folders_are_followed(root: Path, tmp_path: Path) -> None:
    (root / "b.tif").symlink_to("a.tif")
    (tmp_path / "alias").symlink_to(root)
    assert ReadPolicy((root,)).resolve(root / "b.tif") == (root / "a.tif").resolve()
    assert ReadPolicy((tmp_path / "alias",)).resolve(tmp_path / "alias" / "a.tif") == (root / "a.tif").resolve()
    assert ReadPolicy((root,)).resolve(tmp_path / "alias" / "a.tif") == (root / "a.tif").resolve()
    (root / "loop").symlink_to("loop")
    with pytest.raises(InvalidInput, match="leads to itself"):
        ReadPolicy((root,)).resolve(root / "loop")
