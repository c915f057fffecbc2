"""Run a module as a program that ends with its parent: `python -m app.queue.run_with_parent MODULE ARGUMENTS...`.

Standard input is the leash: a pipe that nobody writes to, and whose end is seen when its other side dies, of `kill -9` too.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading

NICENESS = 10
"""The answers of the service come first."""


def main() -> None:
    """Run the module with its own arguments."""
    os.nice(NICENESS)
    threading.Thread(target=_watch, name="leash", daemon=True).start()
    _, module, *arguments = sys.argv
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _watch() -> None:
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)  # the whole group: its own children too


if __name__ == "__main__":
    main()
