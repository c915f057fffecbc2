"""One bundle of each encoder for all tests of this folder: making a graph takes seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from models.export.write_bundle import write_bundle
from tests.models.export.tiny import make_encoder, make_facts, make_matcher


@pytest.fixture(scope="session")
def written_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Bundles by the encoder's name, each with a matcher; made when first asked for, not to be changed."""

    @cache
    def write(name: str) -> Path:
        encoder = make_encoder(name)
        matcher = replace(make_matcher(encoder), calibration={"temperature": 1.5})
        folder = tmp_path_factory.mktemp(name) / "tiny"
        write_bundle(folder, encoder, make_facts(encoder=name), matcher=matcher)
        return folder

    return write


@pytest.fixture(scope="session")
def written(written_of: Callable[[str], Path]) -> Path:
    """The bundle of a ResNet-18."""
    return written_of("resnet18")
