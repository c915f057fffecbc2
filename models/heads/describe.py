"""Say whether a head can be trained with these settings, as one line of JSON: `result`, or `error` with what is wrong.

python -m models.heads.describe '{"margin": 0.5}'
"""

from __future__ import annotations

import json
import sys

from models.heads.config import HeadRecipe
from models.heads.errors import HeadError


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
