from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

from models.training.logs.jsonlines import JsonLines
from models.training.logs.progress_bar import ProgressBar
from models.training.logs.tensorboard import TensorBoardLog
from models.training.loop.callbacks import EpochReport, Outcome, RunReport, StepReport
from models.training.loop.learning_rate import Schedule
from models.training.loop.loop import Loop, LoopConfig
from models.training.loop.optimisers import build_optimiser, loop_config
from models.training.recipes.load import named_recipe

STEP = StepReport(step=4, losses={"loss": 0.5}, rate=0.1, speed=123.4)
EPOCH = EpochReport(1, 5, {"loss": 0.4}, {"map": 0.75}, watched=0.75, is_best=True, seconds=1.0)


def test_the_bar_shows_what_a_person_wants_to_know() -> None:
    stream = io.StringIO()
    bar = ProgressBar(Console(file=stream, width=120, force_terminal=True))
    bar.on_start(RunReport(epochs=2, steps_per_epoch=5, start=0))
    bar.on_step(STEP)
    bar.on_epoch(EPOCH)
    bar.on_end(Outcome("finished", 10, 0.75))
    bar.close()
    text = stream.getvalue()
    assert "epoch 1/2  loss 0.4000  map 0.7500  best so far" in text
    assert "loss 0.5000  123 images/s" in text
    assert "finished after 10 updates, best 0.7500" in text


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_json_lines_tell_the_run(tmp_path: Path) -> None:
    log = JsonLines(tmp_path / "deep" / "log.jsonl")
    log.on_start(RunReport(2, 5, 0))
    log.on_step(STEP)
    log.on_epoch(replace(EPOCH, watched=math.nan))
    log.on_end(Outcome("finished", 10, 0.75))
    lines = read(tmp_path / "deep" / "log.jsonl")
    assert [line["event"] for line in lines] == ["start", "step", "epoch", "end"]
    assert lines[1] == {"event": "step", "step": 4, "losses": {"loss": 0.5}, "rate": 0.1, "speed": 123.4}
    assert lines[2]["metrics"] == {"map": 0.75}
    assert lines[2]["watched"] is None


def test_a_resumed_run_drops_the_lines_it_does_again(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = JsonLines(path)
    log.on_start(RunReport(2, 5, 0))
    for step in range(2, 8):
        log.on_step(replace(STEP, step=step))
    with path.open("a", encoding="utf-8") as file:
        file.write('{"event": "step", "st')  # cut short by a kill
    log.on_start(RunReport(2, 5, 4))
    assert [(line["event"], line["step"]) for line in read(path)] == [
        ("start", 0),
        ("step", 2),
        ("step", 3),
        ("step", 4),
        ("start", 4),
    ]
    log.on_start(RunReport(2, 5, 0))
    assert len(read(path)) == 1


def test_tensorboard_reads_the_log(tmp_path: Path, make_task: Any, make_batches: Any) -> None:
    task = make_task()
    recipe = named_recipe("nsl", ["lr=0.1", "epochs=3"])
    config = LoopConfig(epochs=3, schedule=Schedule("constant", 3), report_every=5)
    folder = tmp_path / "runs"
    optimiser = build_optimiser(recipe, task.parameters())
    Loop(task, make_batches(), optimiser, config, callbacks=[TensorBoardLog(folder)], validate=lambda: {"map": 0.5}).run()
    events = EventAccumulator(str(folder)).Reload()
    assert set(events.Tags()["scalars"]) == {
        *("train/loss", "train/accuracy", "train/rate", "train/images_per_second"),
        *("epoch/loss", "epoch/accuracy", "validation/map"),
    }
    assert [event.step for event in events.Scalars("train/loss")] == [5, 10, 15]
    assert events.Scalars("train/rate")[0].value == pytest.approx(0.1)


def test_recipes_become_settings(make_task: Any) -> None:
    recipe = named_recipe("hr-s2dml")
    task = make_task()
    task.network[0].weight.requires_grad_(False)
    optimiser = build_optimiser(recipe, task.parameters())
    group = optimiser.param_groups[0]
    assert (group["lr"], group["momentum"], group["nesterov"], group["weight_decay"]) == (1e-3, 0.9, True, 1e-4)
    assert len(group["params"]) == 3
    config = loop_config(recipe, watch="map", mode="max")
    assert (config.epochs, config.watch, config.mode, config.precision) == (100, "map", "max", "fp32")
    assert config.schedule == Schedule("step", 100, 0, 0.5, 30)
    matcher = named_recipe("default-matcher")
    assert type(build_optimiser(matcher, task.parameters())).__name__ == "AdamW"
    assert loop_config(named_recipe("resdyad-ae")).patience == 10
