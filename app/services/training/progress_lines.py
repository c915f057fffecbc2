"""Translates the output of `models.runs.train --progress json` to the progress of a job."""

from __future__ import annotations

from typing import Any

BEGIN, END = 5.0, 95.0
"""Range of the program's progress for training updates, in percent; decoding comes before, testing and writing after."""


class TrainingLines:
    """Translates lines; remembers the number of updates and the last progress."""

    def __init__(self) -> None:
        self._epochs = 1
        self._steps = 1
        self._progress = 0.0

    def translate(self, line: dict[str, Any]) -> dict[str, Any] | None:
        """The progress, message and counts of a line, or the result; None for other events."""
        match line:
            case {"event": "message", "text": str(text)}:
                return self._say(self._progress, text)
            case {"event": "counting", "title": str(title), "done": int(done), "total": int(total)}:
                share = BEGIN * done / max(total, 1) if self._progress < BEGIN else 0.0
                return self._say(max(self._progress, share), f"{title}: {done} of {total}")
            case {"event": "start", "epochs": int(epochs), "steps_per_epoch": int(steps), "start": int(start)}:
                self._epochs, self._steps = epochs, max(steps, 1)
                return self._say(self._share(start), f"epoch {start // self._steps + 1} of {epochs}")
            case {"event": "step" | "epoch", "step": int(step), "losses": dict(losses)}:
                done = min(step // self._steps + 1, self._epochs)
                loss = next((f", loss {value:.3f}" for value in losses.values() if isinstance(value, int | float)), "")
                return self._say(self._share(step), f"epoch {done} of {self._epochs}{loss}", {"updates": step})
            case {"event": "bundle", "id": str(model)}:
                return {"result": {"model": model}}
        return None

    def _share(self, step: int) -> float:
        return BEGIN + (END - BEGIN) * min(1.0, step / (self._steps * self._epochs))

    def _say(self, progress: float, message: str, counts: dict[str, int] | None = None) -> dict[str, Any]:
        self._progress = progress
        return {"progress": progress, "message": message, "counts": counts or {}}
