"""Validate settings of the head recipe, and whether a bundle's head can be trained; prints one line of JSON with `result` (the
recipe) or `error`.

python -m models.heads.describe '{"margin": 0.5}' [BUNDLE]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from models.heads.errors import HeadError
from models.heads.head_bundle import read_head
from models.heads.head_recipe import HeadRecipe


def main() -> int:
    """The program; returns its exit status."""
    line: dict[str, object]
    try:
        settings, *bundles = sys.argv[1:]
        line, status = {"result": HeadRecipe.with_changes(json.loads(settings)).model_dump()}, 0
        for bundle in bundles:
            read_head(Path(bundle))
    except HeadError as error:
        line, status = {"error": str(error)}, 1
    sys.stdout.write(json.dumps(line) + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
