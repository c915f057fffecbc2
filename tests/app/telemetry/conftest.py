"""A service for the tests of logs, metrics and traces."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.service import Service, running_service


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("home")) as running:
        yield running
