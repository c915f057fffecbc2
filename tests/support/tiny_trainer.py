"""A program in the place of those that learn: `python -m tests.support.tiny_trainer FOLDER` copies the model.

Files in its folder's parent steer it: `wait` lets it wait until that is gone, `fail` fails it.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np


def main(folder: Path) -> None:
    """Does it."""
    say(progress=10, message="looking")
    while (folder.parent / "wait").exists():
        time.sleep(0.02)
    if (folder.parent / "fail").exists():
        say(error="nothing was learned")
        sys.exit(1)
    manifest = json.loads((folder / "manifest.json").read_text())
    base = Path(manifest["bundle"])
    card = json.loads((base / "card.json").read_text())
    arrays = {path.stem: np.load(path) for path in sorted(folder.glob("*.npy"))}
    bundle = folder / "bundle" / manifest["id"]
    shutil.copytree(base, bundle)
    (bundle / "card.json").write_text(json.dumps({**card, "id": manifest["id"], "title": manifest["title"]}))
    shapes = {name: [*array.shape, str(array.dtype)] for name, array in arrays.items()}
    metrics = {"map": {"before": 0.5, "after": 0.75}}
    recipe = {"seed": manifest["seed"], "recipe": manifest["recipe"]}
    say(result={"model": manifest["id"], "metrics": metrics, "shapes": shapes, **recipe})


def say(**line: Any) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
