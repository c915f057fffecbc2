from __future__ import annotations

import numpy as np
import torch
from torch import nn

from models.training.encoding import LARGEST, encode_images
from models.training.recipes.load import named_recipe
from models.training.tasks.metric_learning import embedding_task


def test_maps_beyond_float16_end_at_its_ends() -> None:
    recipe = named_recipe("nsl", ["width=8", "image_size=32", "augment={}", "dim=16", "seed=1"])
    task = embedding_task(recipe, classes=2, images=4, mean=(0.5,) * 3, std=(0.25,) * 3)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    rows = np.arange(4)
    plain = encode_images(task.encoder, task.preparation, pixels, rows, with_maps=True).maps
    assert plain is not None
    for module in task.encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.constant_(module.weight, 100.0)
    huge = encode_images(task.encoder, task.preparation, pixels, rows, with_maps=True).maps
    assert huge is not None
    assert np.isfinite(plain).all()
    assert plain.max() < LARGEST
    assert np.isfinite(huge).all()
    assert huge.max() == LARGEST == torch.finfo(torch.float16).max
