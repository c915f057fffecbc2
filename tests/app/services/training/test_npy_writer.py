from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.services.training.npy_writer import NpyWriter


@pytest.mark.parametrize("counts", [(), (3,), (0, 5, 1), (700, 700)])
def test_rows_come_back_in_order(tmp_path: Path, counts: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    parts = [random.normal(size=(count, 2, 3)).astype(np.float16) for count in counts]
    with NpyWriter(tmp_path / "a.npy", np.float16, (2, 3)) as writer:
        for part in parts:
            writer.append(part)
    found = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert (found.shape, found.dtype, writer.rows) == ((sum(counts), 2, 3), np.float16, sum(counts))
    np.testing.assert_array_equal(found, np.concatenate([np.empty((0, 2, 3), np.float16), *parts]))


def test_rows_of_another_kind_are_refused(tmp_path: Path) -> None:
    with NpyWriter(tmp_path / "a.npy", np.uint8, (2,)) as writer:
        for wrong in (np.zeros((1, 3), np.uint8), np.zeros((1, 2), np.float32)):
            with pytest.raises(ValueError, match="rows of"):
                writer.append(wrong)
