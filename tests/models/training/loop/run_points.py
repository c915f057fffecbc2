"""A training run as a program of its own: `run_points.py FOLDER EPOCHS [KILL_AT]`, under torchrun too.

Trains a small convolutional network with batch norm, dropout and random augmentation on coloured squares, with two batches
per update, and writes the final state to FOLDER/final.safetensors. KILL_AT: kill -9 itself after that update.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from models.data.batches import ImageBatch, ImageBatches
from models.data.samplers import ShuffledSampler
from models.training.loop.callbacks import Callback, StepReport
from models.training.loop.checkpoints import save_checkpoint
from models.training.loop.distributed import join_processes
from models.training.loop.learning_rate import Schedule
from models.training.loop.loop import Loop, LoopConfig
from models.training.loop.seeds import seed_everything
from models.training.loop.task import Task
from models.training.recipes.augmentation import Augmentation
from models.training.transforms import Preparation

AUGMENTATION = Augmentation(horizontal_flip=0.5, rotation=20, brightness=0.3, noise=0.02)


class SquareTask(Task[ImageBatch]):
    def __init__(self, *, is_random: bool) -> None:
        super().__init__()
        self.preparation = Preparation((0.5,) * 3, (0.25,) * 3, AUGMENTATION if is_random else Augmentation())
        norm: nn.Module = nn.BatchNorm2d(8) if is_random else nn.Identity()
        drop = nn.Dropout(0.2 if is_random else 0.0)
        self.network = nn.Sequential(
            nn.Conv2d(3, 8, 3), norm, nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), drop, nn.Linear(32, 3)
        )

    def step(self, batch: ImageBatch) -> dict[str, Tensor]:
        logits = self.network(self.preparation(batch.images))
        return {"loss": nn.functional.cross_entropy(logits.float(), batch.labels)}


class KillAt(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, report: StepReport) -> None:
        if report.step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def main(folder: Path, epochs: int, kill_at: int = 0) -> None:
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    labels = np.arange(48) % 3
    pixels = random.integers(0, 120, (48, 12, 12, 3), dtype=np.uint8)
    pixels[np.arange(48), :, :, labels] += 100
    is_alone = os.environ.get("PLAIN") is None
    with join_processes("cpu") as process:
        seed_everything(3)
        task = SquareTask(is_random=is_alone)
        batches = ImageBatches(pixels, np.arange(48), labels, ShuffledSampler(48, 8, seed=1), process.shard)
        optimiser = torch.optim.SGD(task.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3, fused=True)
        config = LoopConfig(
            epochs=epochs,
            schedule=Schedule("cosine", epochs, warmup_epochs=1),
            accumulate=2,
            clip_norm=1.0,
            precision="bf16" if is_alone else "fp32",
            checkpoint_every=2,
            report_every=1,
            patience=100,
        )
        callbacks = [KillAt(kill_at)] if kill_at else []
        loop = Loop(task, batches, optimiser, config, process=process, folder=folder / "checkpoints", callbacks=callbacks)
        outcome = loop.run()
        if process.is_main:
            state = {"task": task.state_dict(), "optimiser": optimiser.state_dict(), "best": outcome.best}
            save_checkpoint(folder / "final.safetensors", state)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
