"""Keep freed memory in the process instead of returning it to the system."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # of <malloc.h>
_PAD = 1 << 28


def keep_freed_memory() -> bool:
    """Configure glibc's allocator to reuse large blocks; returns False with another C library, which is not changed.

    By default glibc maps a new block for every activation map in each step and unmaps it, and the kernel zeroes its pages:
    measured at a seventh of a training step on a CPU. Call it before the first step; the process then keeps its peak size.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return all(bool(mallopt(key, value)) for key, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, _PAD)))
