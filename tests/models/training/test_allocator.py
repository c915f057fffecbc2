"""What keeping freed memory changes: large blocks that are freed and allocated again cause no new page faults."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from models.training.allocator import keep_freed_memory

FAULTS = """
import resource, sys
import numpy as np
from models.training.allocator import keep_freed_memory

if sys.argv[1] == "keep":
    keep_freed_memory()
np.ones(8 << 20)  # 64 MiB, freed at once
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(8 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(mode: str) -> int:
    """Minor page faults of a process that allocates and frees 64 MiB ten times after a first time."""
    process = subprocess.run([sys.executable, "-c", FAULTS, mode], capture_output=True, text=True, check=True)
    return int(process.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_memory_that_is_freed_is_used_again_without_page_faults() -> None:
    default, kept = page_faults("default"), page_faults("keep")
    assert default > 250  # 32 per block with huge pages of 2 MiB, 16 384 with pages of 4 KiB
    assert kept < default / 3


def test_another_platform_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_freed_memory() is False
