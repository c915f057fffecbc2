"""Log of a run as lines of JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from models.evaluation.json_values import finite
from models.training.loop.callbacks import Callback, EpochReport, Outcome, RunReport, StepReport


class JsonLines(Callback):
    """Appends one object for each report; its `event` is start, step, epoch or end.

    A resumed run first removes the lines of steps that it repeats. NaN and infinity are written as null.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_start(self, report: RunReport) -> None:
        """Truncate the file to the step at which the run resumes."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lines = self._path.read_text(encoding="utf-8").splitlines() if self._path.exists() and report.start else []
        kept = [line for line in lines if _step(line) <= report.start]
        self._path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        self._write("start", {**asdict(report), "step": report.start})

    def on_step(self, report: StepReport) -> None:
        """Append a line."""
        self._write("step", asdict(report))

    def on_epoch(self, report: EpochReport) -> None:
        """Append a line."""
        self._write("epoch", asdict(report))

    def on_end(self, outcome: Outcome) -> None:
        """Append a line."""
        self._write("end", asdict(outcome))

    def _write(self, event: str, fields: dict[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json_line(event, fields) + "\n")


def json_line(event: str, fields: Mapping[str, Any]) -> str:
    """One JSON object in one line, NaN and infinity as null."""
    return json.dumps(finite({"event": event, **fields}), allow_nan=False)


def _step(line: str) -> float:
    """The step of a line; infinity for an incomplete line."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError):
        return math.inf
