"""A program for the tests of child programs: `python -m tests.support.noisy WHAT` does WHAT."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def say(**fields: object) -> None:
    """One line of JSON on stdout."""
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def main(what: str, *arguments: str) -> None:
    """Does it."""
    Path("pid").write_text(str(os.getpid()))
    match what:
        case "work":
            sys.stdout.write("no JSON\n[1, 2]\n" + "x" * (3 << 20) + "\n")
            say(progress=50, message="half", counts={"epochs": 3})
            say(result={"arguments": arguments, "niceness": os.nice(0), "folder": str(Path.cwd())})
        case "refuse":
            say(error="too few\nlabels")
            sys.exit(1)
        case "die":
            sys.stderr.write("warming up\n")
            raise ZeroDivisionError("secret details")
        case "own-words":
            sys.exit("dyad: no such folder")
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "silent":
            pass
        case "wait" | "stubborn":
            if what == "stubborn":
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            say(progress=1, message="waiting")
            while True:
                sys.stdout.write("." * 4096 + "\n")  # fills any pipe that nobody reads
                time.sleep(0.001)
        case "save":
            signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(Path("saved").write_text("all") * 0 + 143))
            say(progress=1, message="waiting")
            while True:
                time.sleep(0.01)
        case "leave-behind":
            subprocess.Popen(["sleep", "5"])
            say(result={})


if __name__ == "__main__":
    main(*sys.argv[1:])
