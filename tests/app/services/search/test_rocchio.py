from __future__ import annotations

import numpy as np
import pytest

from app.errors import InvalidInput
from app.services.search.rocchio import direction

NONE = np.empty((0, 2), np.float32)


def unit(*degrees: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """(N, 2) unit vectors at the angles."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_one_example_is_its_own_direction() -> None:
    np.testing.assert_allclose(direction(unit(30), NONE), unit(30)[0], atol=1e-6)


def test_two_examples_point_between_them() -> None:
    np.testing.assert_allclose(direction(unit(10, 50), NONE), unit(30)[0], atol=1e-6)


def test_a_negative_turns_the_direction_away_from_itself() -> None:
    # (1, 0) + ((1, 0) - (0, 1)) = (2, -1)
    np.testing.assert_allclose(direction(unit(0), unit(90)), np.array([2, -1]) / np.sqrt(5), atol=1e-6)


def test_examples_that_cancel_out_are_refused() -> None:
    # 2 * mean(+60, -60) - (1, 0) = 2 * (0.5, 0) - (1, 0) = 0
    with pytest.raises(InvalidInput, match="cancel"):
        direction(unit(60, -60), unit(0))
