from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from models.training.loop.callbacks import Callback, EpochReport, Outcome, RunReport, StepReport
from models.training.loop.checkpoints import CheckpointError, latest_checkpoint
from models.training.loop.distributed import join_processes
from models.training.loop.learning_rate import Schedule
from models.training.loop.loop import DivergedError, Loop, LoopConfig, load_best
from models.training.loop.seeds import seed_everything

CONFIG = LoopConfig(epochs=4, schedule=Schedule("constant", 4), report_every=2)


class Recorder(Callback):
    def __init__(self) -> None:
        self.events: list[Any] = []

    def on_start(self, report: RunReport) -> None:
        self.events.append(report)

    def on_step(self, report: StepReport) -> None:
        self.events.append(report)

    def on_epoch(self, report: EpochReport) -> None:
        self.events.append(report)

    def on_end(self, outcome: Outcome) -> None:
        self.events.append(outcome)

    def close(self) -> None:
        self.events.append("closed")


def sgd(task: torch.nn.Module, rate: float = 0.1) -> torch.optim.Optimizer:
    return torch.optim.SGD(task.parameters(), lr=rate, momentum=0.9)


def test_trains_and_reports(make_task: Any, make_batches: Any) -> None:
    seed_everything(0)
    task, recorder, batches = make_task(), Recorder(), make_batches()
    outcome = Loop(task, batches, sgd(task), CONFIG, callbacks=[recorder]).run()
    assert recorder.events[0] == RunReport(epochs=4, steps_per_epoch=5, start=0)
    assert recorder.events[-2:] == [outcome, "closed"]
    steps = [event for event in recorder.events if isinstance(event, StepReport)]
    assert [report.step for report in steps] == [2, 4, 5, 6, 8, 10, 12, 14, 15, 16, 18, 20]
    assert all(report.speed > 0 and set(report.losses) == {"loss", "accuracy"} for report in steps)
    epochs = [event for event in recorder.events if isinstance(event, EpochReport)]
    assert [(report.epoch, report.step) for report in epochs] == [(1, 5), (2, 10), (3, 15), (4, 20)]
    assert epochs[0].losses["loss"] == pytest.approx(
        (2 * steps[0].losses["loss"] + 2 * steps[1].losses["loss"] + steps[2].losses["loss"]) / 5
    )
    assert epochs[-1].losses["loss"] < epochs[0].losses["loss"]
    assert epochs[-1].losses["accuracy"] > 0.8
    assert batches.asked == list(range(20))
    assert outcome == Outcome("finished", 20, min(report.losses["loss"] for report in epochs))


def test_an_epoch_of_another_length_than_a_pass(make_task: Any, make_batches: Any) -> None:
    task, recorder, batches = make_task(), Recorder(), make_batches()
    outcome = Loop(task, batches, sgd(task), replace(CONFIG, steps_per_epoch=3), callbacks=[recorder]).run()
    assert recorder.events[0] == RunReport(epochs=4, steps_per_epoch=3, start=0)
    assert outcome.step == 12
    assert batches.asked == list(range(12))


def test_equals_the_bare_loop(make_task: Any, make_batches: Any) -> None:
    seed_everything(1)
    task = make_task(dropout=0.0)
    bare = copy.deepcopy(task)
    Loop(task, make_batches(), sgd(task), CONFIG).run()
    optimiser, batches = sgd(bare), make_batches()
    for step in range(20):
        bare.step(batches.batch(step))["loss"].backward()
        optimiser.step()
        optimiser.zero_grad()
    for one, other in zip(task.parameters(), bare.parameters(), strict=True):
        assert torch.equal(one, other)


def test_accumulating_equals_larger_batches(make_task: Any, make_batches: Any) -> None:
    class Halves(make_batches):  # type: ignore[misc]
        def batch(self, step: int) -> Any:
            whole = super().batch(step // 2)
            return type(whole)(whole.inputs[step % 2 :: 2], whole.labels[step % 2 :: 2])

    seed_everything(2)
    task = make_task(dropout=0.0)
    parts = copy.deepcopy(task)
    Loop(task, make_batches(), sgd(task), CONFIG).run()
    Loop(parts, Halves(steps=10), sgd(parts), replace(CONFIG, accumulate=2)).run()
    for one, other in zip(task.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_the_schedule_sets_the_rate(make_task: Any, make_batches: Any) -> None:
    task, recorder = make_task(), Recorder()
    config = replace(CONFIG, schedule=Schedule("step", 4, decay=0.5, decay_every=2), report_every=5)
    Loop(task, make_batches(), sgd(task, 0.2), config, callbacks=[recorder]).run()
    assert [event.rate for event in recorder.events if isinstance(event, StepReport)] == [0.2, 0.2, 0.1, 0.1]


def test_bf16_and_clipping_learn_too(make_task: Any, make_batches: Any) -> None:
    seed_everything(0)
    task, recorder = make_task(), Recorder()
    config = replace(CONFIG, precision="bf16", clip_norm=0.5)
    Loop(task, make_batches(), sgd(task), config, callbacks=[recorder]).run()
    epochs = [event for event in recorder.events if isinstance(event, EpochReport)]
    assert epochs[-1].losses["loss"] < epochs[0].losses["loss"]
    assert all(parameter.dtype == torch.float32 for parameter in task.parameters())


def test_keeps_the_best_and_stops_early(make_task: Any, make_batches: Any, tmp_path: Path) -> None:
    scores = iter([0.5, 0.7, math.nan, 0.6, 0.9])
    weights: list[Tensor] = []
    task = make_task()

    def validate() -> Mapping[str, float]:
        assert not task.training
        weights.append(task.network[0].weight.detach().clone())
        return {"map": next(scores)}

    config = replace(CONFIG, epochs=9, watch="map", mode="max", patience=2)
    outcome = Loop(task, make_batches(), sgd(task), config, folder=tmp_path, validate=validate).run()
    assert (outcome.reason, outcome.best, len(weights)) == ("stopped early", 0.7, 4)
    assert load_best(tmp_path, task) == 0.7
    assert torch.equal(task.network[0].weight, weights[1])
    # a run that has stopped stays stopped
    again = make_task()
    assert Loop(again, make_batches(), sgd(again), config, folder=tmp_path, validate=validate).run() == outcome


def test_validates_every_so_many_epochs(make_task: Any, make_batches: Any) -> None:
    task, recorder = make_task(), Recorder()
    config = replace(CONFIG, watch="map", mode="max", validate_every=2, patience=2)
    Loop(task, make_batches(), sgd(task), config, validate=lambda: {"map": 0.5}, callbacks=[recorder]).run()
    epochs = [event for event in recorder.events if isinstance(event, EpochReport)]
    assert [dict(report.metrics) for report in epochs] == [{}, {"map": 0.5}, {}, {"map": 0.5}]
    assert [report.is_best for report in epochs] == [False, True, False, False]


def test_is_told_to_stop_and_goes_on(make_task: Any, make_batches: Any, tmp_path: Path) -> None:
    seed_everything(0)
    straight = make_task()
    interrupted = copy.deepcopy(straight)
    Loop(straight, make_batches(), sgd(straight), CONFIG).run()
    first = Loop(interrupted, make_batches(), sgd(interrupted), CONFIG, folder=tmp_path, should_stop=lambda: first.step == 7)
    assert first.run().reason == "interrupted"
    batches, recorder, resumed = make_batches(), Recorder(), make_task()
    assert Loop(resumed, batches, sgd(resumed), CONFIG, folder=tmp_path, callbacks=[recorder]).run().reason == "finished"
    assert recorder.events[0].start == 7
    assert batches.asked == list(range(7, 20))
    for one, other in zip(straight.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


def test_adamw_resumes_exactly(make_task: Any, make_batches: Any, tmp_path: Path) -> None:
    def adamw(task: torch.nn.Module) -> torch.optim.Optimizer:
        return torch.optim.AdamW(task.parameters(), lr=0.01, fused=True)

    seed_everything(0)
    straight = make_task()
    other = copy.deepcopy(straight)
    Loop(straight, make_batches(), adamw(straight), CONFIG).run()
    loop = Loop(other, make_batches(), adamw(other), CONFIG, folder=tmp_path, should_stop=lambda: loop.step == 9)
    loop.run()
    resumed = make_task()
    Loop(resumed, make_batches(), adamw(resumed), CONFIG, folder=tmp_path).run()
    for one, two in zip(straight.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, two)


def test_refuses_the_checkpoints_of_another_run(make_task: Any, make_batches: Any, tmp_path: Path) -> None:
    task = make_task()
    Loop(task, make_batches(), sgd(task), CONFIG, folder=tmp_path).run()
    for config, batches, named in (
        (replace(CONFIG, seed=1), make_batches(), "other values of seed;"),
        (replace(CONFIG, accumulate=5), make_batches(), "other values of accumulate, steps_per_epoch;"),
        (CONFIG, make_batches(steps=6), "other values of steps_per_epoch;"),
    ):
        with pytest.raises(CheckpointError, match=named):
            Loop(task, batches, sgd(task), config, folder=tmp_path).run()


def test_a_diverged_run_leaves_its_last_good_checkpoint(make_task: Any, make_batches: Any, tmp_path: Path) -> None:
    class Breaking(make_task):  # type: ignore[misc]
        def step(self, batch: Any) -> dict[str, Tensor]:
            losses: dict[str, Tensor] = super().step(batch)
            return {"loss": losses["loss"] * (math.inf if loop.step == 7 else 1)}

    task, recorder = Breaking(), Recorder()
    config = replace(CONFIG, report_every=1, checkpoint_every=1)
    loop = Loop(task, make_batches(), sgd(task), config, folder=tmp_path, callbacks=[recorder])
    with pytest.raises(DivergedError, match="the loss is inf after update 8"):
        loop.run()
    assert recorder.events[-1] == "closed"
    newest = latest_checkpoint(tmp_path)
    assert newest is not None
    assert newest.name == "step-000000007.safetensors"


def test_one_process_needs_no_group() -> None:
    with join_processes("cpu") as process:
        assert process.is_main
        assert process.share(0.25) == 0.25
        assert process.mean({"a": 1.0, "b": 3.0}) == {"a": 1.0, "b": 3.0}
        module = torch.nn.Linear(1, 1)
        assert process.wrap(module) is module
