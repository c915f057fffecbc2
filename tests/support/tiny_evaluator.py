"""A program in the place of the one that evaluates: it prints the `rerank.json` of its folder's parent and writes a page."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(folder: Path) -> None:
    """Does it."""
    rerank = json.loads((folder.parent / "rerank.json").read_text())
    (folder / "report.html").write_text("<h1>Fine</h1>")
    sys.stdout.write(json.dumps({"result": {"metrics": {"map": 0.5}, "rerank": rerank}}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
