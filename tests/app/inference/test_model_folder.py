from __future__ import annotations

import logging
from pathlib import Path

import pytest

from app.errors import Conflict, Unavailable
from app.inference.local_models import LocalModels
from app.inference.model_folder import ModelFolder
from tests.support.bundles import tiny_graph, write_bundle


def test_what_a_crash_left_is_swept_and_never_listed(tmp_path: Path) -> None:
    half = tmp_path / ".incoming" / "x" / "half"
    write_bundle(half, tiny_graph())
    write_bundle(tmp_path / "whole", tiny_graph())
    models = LocalModels(tmp_path, threads=1, bundled=tmp_path / "none")
    assert [card.id for card in models.cards()] == ["lbp-rgb", "hog", "whole"]
    assert not (tmp_path / ".incoming").exists()


def test_nothing_is_made_before_it_is_needed(tmp_path: Path) -> None:
    folder = ModelFolder(tmp_path / "models")
    assert folder.read_active() is None
    assert not (tmp_path / "models").exists()
    folder.write_active("mine")
    assert folder.read_active() == "mine"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"model": 3}', b"\xff"])
def test_a_choice_that_cannot_be_read_is_none(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "active.json").write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert ModelFolder(tmp_path).read_active() is None


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    folder = ModelFolder(tmp_path / "models")
    for number in range(2):
        source = tmp_path / str(number)
        source.mkdir()
        (source / "file").write_text(str(number))
    folder.put(tmp_path / "0", "mine")
    with pytest.raises(Conflict, match="has an entry 'mine' already"):
        folder.put(tmp_path / "1", "mine")
    assert (tmp_path / "models" / "mine" / "file").read_text() == "0"
    with pytest.raises(Unavailable, match="cannot be deleted"):
        folder.take_out("other")
    folder.take_out("mine")
    assert not (tmp_path / "models" / "mine").exists()


def test_scratch_is_on_the_same_disk_and_goes_away(tmp_path: Path) -> None:
    folder = ModelFolder(tmp_path)
    with folder.scratch() as scratch:
        (scratch / "file").write_bytes(b"x")
        assert scratch.is_relative_to(tmp_path)
    assert not scratch.exists()
