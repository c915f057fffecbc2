"""Drawn scenes: one place on several dates, which differ in colour as seasons do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio

from app.imagery.demo_scene.countryside import draw_demo_scene

SEASONS = {"2018-04-20": (0.75, 1.0, 0.7), "2020-07-05": (1.0, 0.95, 0.75), "2022-10-12": (1.0, 0.75, 0.55)}
"""Dates of the scenes, and the share of each colour that remains on them."""


def draw_scenes(folder: Path, side: int = 768, seed: int = 5) -> list[Path]:
    """Draw the same place, side x side pixels of 1 m, on each date of `SEASONS`; the file names contain the dates.

    The pictures of two dates differ in colour and are mirrored, so that no tile shows the same on two dates.
    """
    draw_demo_scene(folder / "drawn.tif", seed=seed, size=side)
    with rasterio.open(folder / "drawn.tif") as source:
        values, profile = source.read(), source.profile
    flips = (np.s_[:, :, :], np.s_[:, :, ::-1], np.s_[:, ::-1, :])
    paths = []
    for (day, shares), flip in zip(SEASONS.items(), flips, strict=True):
        path = folder / f"countryside_{day.replace('-', '')}.tif"
        shaded = values[flip] * np.array(shares)[:, np.newaxis, np.newaxis]
        with rasterio.open(path, "w", **profile) as target:
            target.write(shaded.astype(np.uint8))
        paths.append(path)
    return paths
