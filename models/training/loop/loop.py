"""The training loop, independent of what is trained.

It is not a library's (Lightning, Accelerate), because a resumed run must end with the same bits as an uninterrupted one:
batches and random numbers are pure functions of the step, and a checkpoint in the middle of an epoch also holds the sums of its
losses.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, Literal

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from models.data.batches import Batches
from models.data.prefetch import Prefetcher
from models.training.loop.callbacks import Callback, EpochReport, Outcome, RunReport, StepReport
from models.training.loop.checkpoints import (
    CheckpointError,
    latest_checkpoint,
    load_checkpoint,
    prune_checkpoints,
    save_checkpoint,
    step_file,
)
from models.training.loop.distributed import Process
from models.training.loop.early_stopping import EarlyStopping
from models.training.loop.learning_rate import Schedule
from models.training.loop.loss_means import LossMeans
from models.training.loop.optimiser_state import restore_optimiser
from models.training.loop.precision import Precision, usable_precision
from models.training.loop.seeds import seed_everything
from models.training.loop.task import BatchT, Task

BEST_FILE = "best.safetensors"
Validate = Callable[[], Mapping[str, float]]


class DivergedError(RuntimeError):
    """The loss is NaN or infinite."""


@dataclass(frozen=True, slots=True)
class LoopConfig:
    """Settings of the loop.

    epochs: maximum number. steps_per_epoch: updates, 0 for a pass over the batches. schedule: of the learning rate.
    accumulate: batches per update. clip_norm: of the gradient, 0 for none.
    watch: the validation metric that selects the best epoch, None for the mean training loss; mode: whether low or high is
    better. patience: epochs without improvement before stopping, None for never. validate_every: epochs.
    precision: bf16 means autocast, unless the processor is slower in it than in fp32.
    checkpoint_every: updates between checkpoints within an epoch (0: only after epochs). keep: number of checkpoints.
    report_every: updates.
    """

    epochs: int
    schedule: Schedule
    steps_per_epoch: int = 0
    accumulate: int = 1
    clip_norm: float = 0.0
    precision: Precision = "fp32"
    channels_last: bool = True
    watch: str | None = None
    mode: Literal["min", "max"] = "min"
    patience: int | None = None
    validate_every: int = 1
    checkpoint_every: int = 0
    keep: int = 2
    report_every: int = 10
    seed: int = 0


class Loop(Generic[BatchT]):
    """A run of a task. With checkpoints in its folder it resumes from the newest, with the same result as without
    interruption."""

    def __init__(
        self,
        task: Task[BatchT],
        batches: Batches[BatchT],
        optimiser: torch.optim.Optimizer,
        config: LoopConfig,
        *,
        process: Process | None = None,
        folder: Path | None = None,
        callbacks: Sequence[Callback] = (),
        validate: Validate | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> None:
        """The task must be on the process's device, with its parameters in the optimiser.

        folder: of the checkpoints, None for none; `best.safetensors` there has the weights of the best epoch. validate: called
        in evaluation mode, in the main process. should_stop: called after each update; if true, the run is saved and ends.
        """
        self.task, self.config, self.process = task, config, process or Process(torch.device("cpu"))
        self.optimiser, self._batches, self._folder = optimiser, batches, folder
        self._callbacks = tuple(callbacks) if self.process.is_main else ()
        self._validate, self._should_stop = validate, should_stop
        self._stopping = EarlyStopping(config.patience, config.mode)
        self._top_rates = [float(group["lr"]) for group in optimiser.param_groups]
        self._steps_per_epoch = config.steps_per_epoch or max(1, batches.steps_per_epoch // config.accumulate)
        self._precision = usable_precision(config.precision, self.process.device)
        self._means = LossMeans()
        self.step = 0

    def run(self) -> Outcome:
        """Train until the last epoch, early stopping or an interruption.

        Raises:
            CheckpointError: the folder has checkpoints of another run, or damaged ones.
            DivergedError: a loss became NaN or infinite.
        """
        if self.config.channels_last:
            self.task.to(memory_format=torch.channels_last)
        self._resume()
        with ExitStack() as stack:
            for callback in self._callbacks:
                stack.callback(callback.close)
            batches = self._batches
            if self.process.device.type == "cuda":
                batches = stack.enter_context(Prefetcher(batches))
            report = RunReport(self.config.epochs, self._steps_per_epoch, self.step, self._precision)
            self._notify(lambda each: each.on_start(report))
            outcome = self._run_epochs(self.process.wrap(self.task), batches)
            self._notify(lambda each: each.on_end(outcome))
        return outcome

    def _run_epochs(self, module: nn.Module, batches: Batches[BatchT]) -> Outcome:
        total = self.config.epochs * self._steps_per_epoch
        while self.step < total and not self._stopping.should_stop:
            started = time.perf_counter()
            module.train()
            for _ in range(self.step % self._steps_per_epoch, self._steps_per_epoch):
                self._update(module, batches)
                if self._should_stop is not None and self.process.share(self._should_stop()):
                    self._save()
                    return Outcome("interrupted", self.step, self._stopping.best)
                if self.config.checkpoint_every and self.step % self.config.checkpoint_every == 0:
                    self._save()
            self._end_epoch(time.perf_counter() - started)
        return Outcome("finished" if self.step == total else "stopped early", self.step, self._stopping.best)

    def _update(self, module: nn.Module, batches: Batches[BatchT]) -> None:
        """One optimiser step over `accumulate` batches."""
        config, device = self.config, self.process.device
        seed_everything(config.seed, self.step, self.process.rank)
        factor = config.schedule.factor(self.step, self._steps_per_epoch)
        for group, rate in zip(self.optimiser.param_groups, self._top_rates, strict=True):
            group["lr"] = rate * factor
        for part in range(config.accumulate):
            batch = batches.batch(self.step * config.accumulate + part)
            batch = batch.pinned().to(device) if device.type == "cuda" else batch
            # processes exchange gradients with the last batch only
            is_last = part == config.accumulate - 1
            with nullcontext() if is_last or not isinstance(module, DistributedDataParallel) else module.no_sync():
                with torch.autocast(device.type, torch.bfloat16, enabled=self._precision == "bf16"):
                    losses = module(batch)
                (losses["loss"] / config.accumulate).backward()
            self._means.add(losses, len(batch))
        if config.clip_norm:
            nn.utils.clip_grad_norm_(self.task.parameters(), config.clip_norm)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        if self.step % config.report_every == 0 or self.step % self._steps_per_epoch == 0:
            self._report()

    def _report(self) -> None:
        losses, speed = self._means.since_last_call()
        if not math.isfinite(losses["loss"]):
            raise DivergedError(f"the loss is {losses['loss']} after update {self.step}; lower the learning rate or clip_norm")
        report = StepReport(self.step, losses, float(self.optimiser.param_groups[0]["lr"]), speed)
        self._notify(lambda each: each.on_step(report))

    def _end_epoch(self, seconds: float) -> None:
        epoch = self.step // self._steps_per_epoch
        is_due = self._validate is not None and epoch % self.config.validate_every == 0
        metrics: Mapping[str, float] = {}
        if self._validate is not None and is_due and self.process.is_main:
            self.task.eval()
            metrics = self._validate()
        losses = self.process.mean(self._means.means())
        watch = self.config.watch
        watched = self.process.share(losses["loss"] if watch is None else metrics.get(watch, math.nan))
        is_best = (watch is None or is_due) and self._stopping.improves(watched)
        if is_best and self._folder is not None and self.process.is_main:
            save_checkpoint(self._folder / BEST_FILE, {"step": self.step, "watched": watched, "task": self.task.state_dict()})
        self._means = LossMeans()
        self._save()
        report = EpochReport(epoch, self.step, losses, metrics, watched, is_best, seconds)
        self._notify(lambda each: each.on_epoch(report))

    def _save(self) -> None:
        if self._folder is None or not self.process.is_main:
            return
        state = {
            "run": self._identity(),
            "step": self.step,
            "task": self.task.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "stopping": self._stopping.state(),
            "totals": self._means.state(),
        }
        save_checkpoint(step_file(self._folder, self.step), state)
        prune_checkpoints(self._folder, self.config.keep)

    def _resume(self) -> None:
        newest = None if self._folder is None else latest_checkpoint(self._folder)
        if newest is None:
            return
        state = load_checkpoint(newest)
        own = self._identity()
        if differing := sorted(name for name in own if state["run"].get(name) != own[name]):
            raise CheckpointError(f"{newest} is of a run with other values of {', '.join(differing)}; use a new folder")
        self.task.load_state_dict(state["task"])
        restore_optimiser(self.optimiser, state["optimiser"])
        self._stopping.restore(state["stopping"])
        self._means.restore(state["totals"], self.process.device)
        self.step = int(state["step"])

    def _identity(self) -> dict[str, Any]:
        """Values that must be equal to resume a run."""
        cosmetic = ("report_every", "checkpoint_every", "keep")
        config = {name: value for name, value in asdict(self.config).items() if name not in cosmetic}
        return {**config, "steps_per_epoch": self._steps_per_epoch, "processes": self.process.world}

    def _notify(self, call: Callable[[Callback], None]) -> None:
        for callback in self._callbacks:
            call(callback)


def load_best(folder: Path, task: nn.Module) -> float:
    """Load the weights of the run's best epoch into the task; returns the watched value.

    Raises:
        CheckpointError: the folder has none.
    """
    state = load_checkpoint(folder / BEST_FILE)
    task.load_state_dict(state["task"])
    return float(state["watched"])
