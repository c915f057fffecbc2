"""The real imagery of the benchmarks: UC Merced, in the folder of test data."""

from __future__ import annotations

import os
import sys
from pathlib import Path

DATA = Path(os.environ.get("DYAD_DATA", Path(__file__).parents[2] / "shared" / "data"))
"""The default folder of test data."""


def class_folders(data: Path, classes: int | None = None) -> list[Path]:
    """The first so many folders of 100 images, None for all 21; ends the program where there is none."""
    folders = sorted(path for path in (data / "ucmerced").glob("*") if path.is_dir())[:classes]
    if not folders:
        sys.exit(f"no images in {data / 'ucmerced'}; name the folder of the test data with --data or DYAD_DATA")
    return folders


def images_of(data: Path, classes: int | None = None) -> list[Path]:
    """The images of those."""
    return [path for folder in class_folders(data, classes) for path in sorted(folder.glob("*.jpg"))]
