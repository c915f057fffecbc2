"""Small folders of class folders, made of pictures that a network can tell apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def write_class_folders(root: Path, classes: dict[str, int], *, count: int = 12, size: int = 32, seed: int = 0) -> Path:
    """`root/CLASS/NUMBER.png`: stripes of a class's own period (the value of `classes`), with noise, turned at random."""
    random = np.random.default_rng(seed)
    for name, period in classes.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            wave = np.sin(np.arange(size) * 2 * np.pi / period + random.uniform(0, 6))
            plane = np.tile(wave, (size, 1)) if number % 2 else np.tile(wave, (size, 1)).T
            pixels = plane[:, :, None] * 80 + 128 + random.normal(0, 12, (size, size, 3))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / name / f"{number:02}.png")
    return root
