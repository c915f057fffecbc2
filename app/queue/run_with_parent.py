"""Run a module as a program that ends with its parent: `python -m app.queue.run_with_parent MODULE ARGUMENTS...`.

Standard input is a pipe from the parent. It reports end of file when the parent dies, also of `kill -9`.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading

NICENESS = 10
"""Lower priority than the service, so that its responses stay fast."""


def main() -> None:
    """Run the module with its arguments."""
    os.nice(NICENESS)
    threading.Thread(target=_watch, name="watch-parent", daemon=True).start()
    _, module, *arguments = sys.argv
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _watch() -> None:
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)  # the whole process group, including its own children


if __name__ == "__main__":
    main()
