from __future__ import annotations

import pytest
import torch

from models.matcher.maps import map_shape_of, vectors_to_maps
from models.matcher.networks import ResDyadDML


@pytest.mark.parametrize(("length", "size", "channels"), [(128, 8, 2), (1764, 8, 28), (54, 8, 1), (10, 1, 10), (65, 8, 2)])
def test_vectors_fill_maps_in_order_and_zeros_the_rest(length: int, size: int, channels: int) -> None:
    vectors = torch.arange(2 * length, dtype=torch.float32).reshape(2, length) + 1
    maps = vectors_to_maps(vectors, size)
    assert maps.shape == (2, channels, size, size)
    assert map_shape_of(length, size) == (channels, size, size)
    flat = maps.flatten(1)
    torch.testing.assert_close(flat[:, :length], vectors)
    assert not flat[:, length:].any()


def test_a_matcher_looks_at_hand_crafted_vectors() -> None:
    vectors = torch.rand(4, 1764)
    maps = vectors_to_maps(vectors)
    assert ResDyadDML(map_shape_of(1764)).eval()(maps, maps.flip(0)).shape == (4, 2)


def test_what_is_no_matrix_of_vectors_is_refused() -> None:
    with pytest.raises(ValueError, match="is needed"):
        vectors_to_maps(torch.zeros(3))
    with pytest.raises(ValueError, match="cannot fill"):
        vectors_to_maps(torch.zeros(3, 0))
