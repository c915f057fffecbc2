"""Keep freed memory for the next step instead of giving it back to the system."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # of <malloc.h>
_PAD = 1 << 28


def keep_freed_memory() -> bool:
    """Tell the C library to reuse large blocks; False where it does not know how (only glibc does).

    Every activation map is a block that glibc maps afresh and unmaps in each step, and the kernel zeroes page by page: a
    seventh of the time of a training step on a CPU. Call it before the first step; the process keeps its largest size.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return all(bool(mallopt(key, value)) for key, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, _PAD)))
