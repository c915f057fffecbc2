"""The bundles that ship with Dyad."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.domain.models import DEFAULT_MODEL
from app.inference.bundles import check_bundle
from app.inference.local_models import BUNDLED

MAX_BYTES = 25_000_000
FOLDERS = sorted(path for path in BUNDLED.iterdir() if path.is_dir())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_bundled_model_is_valid_small_and_states_its_terms(folder: Path) -> None:
    card = check_bundle(folder)
    assert card.id == folder.name
    assert {path.name for path in folder.iterdir()} == {"card.json", *card.files}
    assert sum(path.stat().st_size for path in folder.iterdir()) <= MAX_BYTES
    assert card.licence
    assert card.training_data
    assert set(card.supersedes) <= {path.name for path in FOLDERS} - {card.id}


def test_the_default_model_is_bundled() -> None:
    assert (BUNDLED / DEFAULT_MODEL / "card.json").is_file()
