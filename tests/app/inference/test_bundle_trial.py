"""Bundles are tried in a process of their own: what does not end, or takes too much memory, never runs in the service."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from app.errors import InvalidBundle
from app.inference import bundle_trial
from app.inference.bundle_trial import try_bundle
from app.inference.local_models import LocalModels
from tests.support.bundle_zips import packed
from tests.support.bundles import tiny_graph, write_bundle, write_matching_bundle
from tests.support.hostile_models import hungry_graph, looping_graph


def test_good_bundles_pass(tmp_path: Path) -> None:
    try_bundle(write_bundle(tmp_path / "small", tiny_graph()))
    try_bundle(write_bundle(tmp_path / "fixed", tiny_graph(batch=4)))
    try_bundle(write_matching_bundle(tmp_path / "pairs"))
    try_bundle(next(path for path in (Path("app/inference/bundled").resolve()).iterdir()))


def test_a_loop_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_trial, "TRIAL_SECONDS", 5)
    begun = time.monotonic()
    with pytest.raises(InvalidBundle, match="did not finish two tiles within 5 s"):
        try_bundle(write_bundle(tmp_path / "loop", looping_graph()))
    assert time.monotonic() - begun < 20


def test_too_much_memory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidBundle, match=r"needs more than 4\d\d\d MB of memory"):
        try_bundle(write_bundle(tmp_path / "hungry", hungry_graph(1 << 33)))


def test_the_reason_of_an_invalid_bundle_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InvalidBundle, match=r"dimension|shape"):
        try_bundle(write_bundle(tmp_path / "wide", tiny_graph(dimension=9)))


def test_numbers_that_cannot_be_stored_are_refused(tmp_path: Path) -> None:
    nothing = {"mean": [0.0] * 3, "std": [1e30] * 3}
    with pytest.raises(InvalidBundle, match="the embedding of a test tile is zero or not finite"):
        try_bundle(write_bundle(tmp_path / "zero", tiny_graph(), normalisation=nothing))
    large = {"mean": [0.0] * 3, "std": [1e-6] * 3}
    with pytest.raises(InvalidBundle, match="feature of a test tile is not finite in float16"):
        try_bundle(write_bundle(tmp_path / "large", tiny_graph(feature_dimension=4), feature_dimension=4, normalisation=large))


def test_a_process_that_crashes_is_an_invalid_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_trial, "PROGRAM", "app.not_a_program")
    with pytest.raises(InvalidBundle, match="status 1"):
        try_bundle(write_bundle(tmp_path / "a", tiny_graph()))


def test_nothing_of_a_refused_bundle_is_kept(tmp_path: Path) -> None:
    def refuse(folder: Path) -> None:
        raise InvalidBundle("refused")

    models = LocalModels(tmp_path / "models", threads=1, trial=refuse)
    archive = tmp_path / "a.zip"
    packed(write_bundle(tmp_path / "a", tiny_graph()), archive)
    with pytest.raises(InvalidBundle, match="refused"):
        models.add_zip(archive, 1 << 20)
    assert "a" not in {card.id for card in models.cards()}
    assert not [path for path in (tmp_path / "models").rglob("*") if path.is_file()]
