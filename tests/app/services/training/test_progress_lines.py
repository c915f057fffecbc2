from __future__ import annotations

from typing import Any

from app.services.training.progress_lines import TrainingLines

LINES: list[tuple[dict[str, Any], float | None, str]] = [
    ({"event": "counting", "title": "decoding", "done": 5, "total": 10}, 2.5, "decoding: 5 of 10"),
    ({"event": "message", "text": "nsl: training on 24 images"}, 2.5, "nsl: training on 24 images"),
    ({"event": "start", "epochs": 4, "steps_per_epoch": 10, "start": 10, "precision": "fp32"}, 27.5, "epoch 2 of 4"),
    ({"event": "step", "step": 20, "losses": {"loss": 0.12345}, "rate": 0.1, "speed": 9.0}, 50, "epoch 3 of 4, loss 0.123"),
    ({"event": "epoch", "epoch": 4, "step": 40, "losses": {"loss": None}, "metrics": {}}, 95, "epoch 4 of 4"),
    ({"event": "counting", "title": "encoding", "done": 1, "total": 10}, 95, "encoding: 1 of 10"),
    ({"event": "end", "reason": "finished"}, None, ""),
    ({"event": "step"}, None, ""),
    ({"something": "else"}, None, ""),
]


def test_progress_only_grows() -> None:
    lines = TrainingLines()
    for line, progress, message in LINES:
        said = lines.translate(line)
        if progress is None:
            assert said is None
        else:
            assert said is not None
            assert (said["progress"], said["message"]) == (progress, message)


def test_the_bundle_is_the_result() -> None:
    line = {"event": "bundle", "id": "mine", "folder": "/somewhere", "metrics": {}}
    assert TrainingLines().translate(line) == {"result": {"model": "mine"}}
