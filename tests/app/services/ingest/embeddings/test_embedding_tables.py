"""Files of embeddings are read by a program that has imported nothing but what it needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from tests.support.process import ROOT

READ = """
import sys
from pathlib import Path
from app.services.ingest.embeddings.embedding_tables import open_table
with open_table(Path(sys.argv[1])) as table:
    print(table.dimension, sum(len(vectors) for _, vectors, _ in table.batches()))
"""


def test_it_is_read_without_imports_of_other_modules(tmp_path: Path) -> None:
    """A module of the tests imports all of pyarrow, a service does not."""
    vectors = np.eye(5, 8, dtype=np.float32)
    parquet.write_table(pa.table({"id": list("abcde"), "embedding": [*vectors[:4].tolist(), None]}), tmp_path / "tiles.parquet")
    command = [sys.executable, "-c", READ, str(tmp_path / "tiles.parquet")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split() == ["8", "4"], done.stderr
