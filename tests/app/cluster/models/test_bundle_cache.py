"""Copies of shared bundles on one machine."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from app.cluster.models import bundle_cache
from app.cluster.models.bundle_cache import SCRATCH, BundleCache
from app.cluster.models.registry import SharedRegistry
from app.stores.blobs.object_blobs import ObjectBlobs


@pytest.fixture
def cache(tmp_path: Path) -> BundleCache:
    """An empty cache."""
    return BundleCache(tmp_path / "cache", SharedRegistry(ObjectBlobs(tmp_path / "blobs")))


def test_only_the_copies_of_models_that_are_there_and_what_is_in_work_stay(cache: BundleCache, tmp_path: Path) -> None:
    for name in ("kept", "gone", f"{SCRATCH}left"):
        (tmp_path / "cache" / name).mkdir(parents=True)
    long_ago = time.time() - bundle_cache.ABANDONED_SECONDS - 1
    os.utime(tmp_path / "cache" / f"{SCRATCH}left", (long_ago, long_ago))
    with cache.scratch() as in_work:
        cache.keep_only({"kept"})
        assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == sorted(["kept", in_work.name])


def test_what_is_in_work_may_end_while_it_is_looked_at(cache: BundleCache, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / f"{SCRATCH}ended").symlink_to("nowhere")  # in the list of names, and not there
    cache.keep_only(set())
