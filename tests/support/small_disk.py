"""A disk that is full soon: a small tmpfs in a mount namespace of its own, which needs no root on most Linux machines."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def run_on_small_disk(folder: Path, size: str, code: str) -> str:
    """Run Python code in the repository's root, with a tmpfs of `size` (`300k`) on `folder`; its standard output.

    The code finds the folder as `disk`, a Path. Skips where mounting is not allowed.
    """
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rm", "mount", "-t", "tmpfs", "none", str(folder)], check=False).returncode:
        pytest.skip("needs a mount namespace (unshare -rm), which is not allowed here")
    script = f'mount -t tmpfs -o size={size} none {folder} && exec {sys.executable} -c "$0"'
    prelude = f"from pathlib import Path\ndisk = Path({str(folder)!r})\n"
    command = [unshare, "-rm", "sh", "-c", script, prelude + code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
