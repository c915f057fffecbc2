"""Validate settings of the head recipe; prints one line of JSON with `result` (the recipe) or `error`.

python -m models.heads.describe '{"margin": 0.5}'
"""

from __future__ import annotations

import json
import sys

from models.heads.errors import HeadError
from models.heads.head_recipe import HeadRecipe


def main() -> int:
    """The program; returns its exit status."""
    line: dict[str, object]
    try:
        line, status = {"result": HeadRecipe.with_changes(json.loads(sys.argv[1])).model_dump()}, 0
    except HeadError as error:
        line, status = {"error": str(error)}, 1
    sys.stdout.write(json.dumps(line) + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
