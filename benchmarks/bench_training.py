"""Images per second of the training loop against a bare forward-backward loop over one ready batch.

    python benchmarks/bench_training.py [--width 48] [--size 128] [--batch 64] [--rounds 5] [--steps 4] [--device cpu]
        [--threads N] [--clock wall|cpu]

The network is a ResNet-18 with a normalised softmax loss. The bare loop does forward, backward and the optimiser's step on a
batch that lies ready in memory; the training loop takes batches from the memory-mapped array, augments, normalises and
reports. The two alternate, and the table shows medians. On a busy machine measure with `--threads 1 --clock cpu`, which counts
this process's own time.
Decoding is measured on UC Merced where the test data is there (DYAD_DATA).
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from benchmarks._imagery import DATA
from benchmarks._table import machine_line, print_table
from models.data.batches import ImageBatch, ImageBatches
from models.data.cache import load_pixels
from models.data.folders import list_class_folders
from models.training.allocator import keep_freed_memory
from models.training.loop.distributed import Process
from models.training.loop.loop import Loop, LoopConfig
from models.training.loop.optimisers import build_optimiser, loop_config
from models.training.loop.precision import usable_precision
from models.training.recipes.augmentation import NONE, PAPER, ROBUST, Augmentation
from models.training.recipes.load import named_recipe
from models.training.tasks.metric_learning import EmbeddingTask, embedding_task, labelled_batches
from models.training.transforms import augment

CLASSES = 30
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
PRESETS = {"none": NONE, "paper": PAPER, "robust": ROBUST}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for name, default in (("width", 48), ("size", 128), ("batch", 64), ("rounds", 5), ("steps", 4), ("images", 2000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    threads = f"torch {torch.__version__}, {options.threads} threads, {options.clock} clock"
    print(f"{machine_line()}, {threads}, {options.device}, load {os.getloadavg()[0]:.1f}")
    has_bf16 = usable_precision("bf16", torch.device(options.device)) == "bf16"
    precisions = ("fp32", "bf16") if has_bf16 else ("fp32",)
    if not has_bf16:
        print("bf16: skipped, this processor emulates it")
    with TemporaryDirectory() as folder:
        print_table("Parts, milliseconds per image", ("part", "ms/image"), [*_decode_rows(options, Path(folder))])
        rows = [loop_row(options, Path(folder), precision, preset) for precision in precisions for preset in PRESETS]
    columns = ("precision, augmentation", "bare img/s", "loop img/s", "loop / bare", "data ms/image", "share of a step")
    print_table(f"ResNet-18, width {options.width}, {options.size} px, batches of {options.batch}", columns, rows)


def _decode_rows(options: argparse.Namespace, folder: Path) -> list[tuple[str, str]]:
    data = DATA / "ucmerced"
    if not data.is_dir():
        return [(f"decoding: skipped, no {data}", "-")]
    images = list_class_folders(data)
    seconds = _seconds(lambda: load_pixels(images, options.size, folder), options)
    again = _seconds(lambda: load_pixels(images, options.size, folder), options)
    return [
        (f"decode and resize {len(images)} JPEGs of 256 px into the cache, once", f"{1000 * seconds / len(images):.3f}"),
        ("open the cache again", f"{1000 * again / len(images):.6f}"),
    ]


def loop_row(options: argparse.Namespace, folder: Path, precision: str, preset: str) -> tuple[str, ...]:
    """Bare and whole loop, alternating: the row of one precision and augmentation; see `main` for the options."""
    device = torch.device(options.device)
    recipe = named_recipe(
        "nsl", [f"width={options.width}", f"batch_size={options.batch}", f"precision={precision}", "epochs=1", "nesterov=false"]
    ).model_copy(update={"augment": PRESETS[preset]})
    random = np.random.default_rng(0)
    path = folder / "pixels.npy"
    if not path.exists():
        np.save(path, random.integers(0, 256, (options.images, options.size, options.size, 3), dtype=np.uint8))
    pixels, labels = np.load(path, mmap_mode="c"), np.arange(options.images) % CLASSES
    task = embedding_task(recipe, classes=CLASSES, images=options.images, mean=(0.5,) * 3, std=(0.25,) * 3).to(device)
    optimiser = build_optimiser(recipe, task.parameters())
    batches = labelled_batches(recipe, pixels, np.arange(options.images), labels)
    task.to(memory_format=torch.channels_last)
    batch = batches.batch(0).to(device)
    config = loop_config(recipe)
    ratios, bare, loop, data = [], [], [], []
    for round_ in range(options.rounds + 1):
        bare_seconds = _seconds(lambda: _bare_steps(task, optimiser, batch, options.steps, precision), options)
        loop_seconds = _seconds(lambda: _loop_steps(task, batches, optimiser, config, options.steps, device), options)
        data_seconds = _seconds(lambda: _data_steps(task, batches, recipe.augment, options.steps, device), options)
        if round_:  # the first one warms up
            ratios.append(bare_seconds / loop_seconds)
            bare.append(bare_seconds)
            loop.append(loop_seconds)
            data.append(data_seconds)
    count = options.steps * options.batch
    share = statistics.median(own / whole for own, whole in zip(data, bare, strict=True))
    return (
        f"{precision}, {preset}",
        f"{count / statistics.median(bare):.1f}",
        f"{count / statistics.median(loop):.1f}",
        f"{statistics.median(ratios):.3f}",
        f"{1000 * statistics.median(data) / count:.3f}",
        f"{100 * share:.1f} %",
    )


def _bare_steps(task: EmbeddingTask, optimiser: torch.optim.Optimizer, batch: ImageBatch, steps: int, precision: str) -> None:
    task.train()
    images = task.preparation.normalise(batch.images.float() / 255)
    for _ in range(steps):
        with torch.autocast(images.device.type, torch.bfloat16, enabled=precision == "bf16"):
            embeddings = task.encoder(images).embedding
        task.loss(embeddings, batch.labels).backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)


class _Some:
    """The first `steps` batches as an epoch."""

    def __init__(self, batches: ImageBatches, steps: int) -> None:
        self._batches, self.steps_per_epoch = batches, steps

    def batch(self, step: int) -> ImageBatch:
        return self._batches.batch(step)


def _loop_steps(
    task: EmbeddingTask,
    batches: ImageBatches,
    optimiser: torch.optim.Optimizer,
    config: LoopConfig,
    steps: int,
    device: torch.device,
) -> None:
    Loop(task, _Some(batches, steps), optimiser, config, process=Process(device)).run()


def _data_steps(
    task: EmbeddingTask, batches: ImageBatches, augmentation: Augmentation, steps: int, device: torch.device
) -> None:
    for step in range(steps):
        images = batches.batch(step).to(device).images
        task.preparation.normalise(augment(images, augmentation))


def _seconds(work: Callable[[], object], options: argparse.Namespace) -> float:
    clock = CLOCKS[options.clock]
    started = clock()
    work()
    if options.device.startswith("cuda"):
        torch.cuda.synchronize()
    return clock() - started


if __name__ == "__main__":
    main()
