"""Memory of a running process, as Linux counts it."""

from __future__ import annotations

from pathlib import Path

PEAK, RESIDENT, ANONYMOUS = "VmHWM", "VmRSS", "RssAnon"


def resident(process: int | str, kind: str) -> int:
    """Bytes of a kind, of a process or `self`; 0 if it has ended. (`wait4` would include the peak of its parent.)"""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith(f"{kind}:")), 0)
