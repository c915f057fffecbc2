"""Gain of a head from 0, 5, 10 and 20 labels per class, on classes that its network was not trained on, and training time.

    python benchmarks/bench_head.py [--bundle FOLDER --classes A,B,...] [--labels 5,10,20] [--seeds 3] [--tiles 10000,100000]

The collection is all of UC Merced and AID (DYAD_DATA), one tile in five held out; only tiles of the evaluated classes have
labels. The program is `python -m models.heads.train`, in a process of its own. Without --bundle the network is the twin that
`make train-default` trains without eight classes and keeps under --work; --train trains it if it is missing, in about an hour.
On a busy machine compare the CPU seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._imagery import DATA
from benchmarks._table import machine_line, print_table
from benchmarks._twin import twin_bundle
from models.bundle.verify import read_card
from models.evaluation.metrics.retrieval import retrieval_metrics
from models.heads.head_bundle import read_head
from models.heads.linear_head import Head
from models.runs.default.plan import Plan
from models.runs.default.train_default import load_default
from tests.support.head_inputs import Encoded, encode, write_inputs
from tests.support.process import ROOT, environment

HELD_OUT = 5
SPEED_CLASSES, SPEED_LABELS = 20, 50
NOISE = 0.05


@dataclass(frozen=True)
class World:
    """N tiles: pixels (N, S, S, 3), names (N,) of their classes, what the bundle makes of them."""

    bundle: Path
    pixels: NDArray[np.uint8]
    names: NDArray[np.str_]
    encoded: Encoded


@dataclass(frozen=True)
class Run:
    """A head trained in a process of its own. wall, cpu: seconds."""

    result: dict[str, Any]
    head: Head
    wall: float
    cpu: float


def main() -> None:
    """Measure and print."""
    options = _options()
    if not (options.bundle or options.train or (options.work / "twin" / "matcher").is_dir()):
        print(f"skipped: there is no twin under {options.work}; run `make train-default`, or use --train")
        return
    print(f"{machine_line()}, load {os.getloadavg()[0]:.1f}")
    world, asked = _world(options)
    print(f"{world.bundle.name}: {len(world.pixels)} tiles, one in {HELD_OUT} held out; classes {', '.join(asked)}")
    with TemporaryDirectory() as folder:
        _quality(world, asked, [int(each) for each in options.labels.split(",")], options.seeds, Path(folder))
        _half(world, asked, options.seeds, Path(folder))
        _speed(world, [int(each) for each in options.tiles.split(",")], Path(folder))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "default", help="work folder of `make train-default`")
    parser.add_argument("--bundle", type=Path, help="another model, trained without --classes")
    parser.add_argument("--classes", default="", help="evaluated classes (default: those held out of the twin)")
    parser.add_argument("--train", action="store_true", help="train the twin if it is missing")
    parser.add_argument("--labels", default="5,10,20")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tiles", default="10000,100000")
    return parser.parse_args()


def _world(options: argparse.Namespace) -> tuple[World, list[str]]:
    plan, cache = Plan(), options.work / "cache"
    size = read_card(options.bundle).input_size if options.bundle else None
    material = load_default(plan, options.data, cache, size)
    bundle = options.bundle or twin_bundle(material, plan, cache, options.work)
    asked = options.classes.split(",") if options.classes else list(plan.held_out)
    names = np.array(material.images.classes)[material.labels]
    if missing := sorted(set(asked) - set(names.tolist())):
        raise SystemExit(f"no image is of the class {missing[0]}")
    return World(bundle, material.pixels, names, encode(bundle, material.pixels, threads=0)), asked


def _train(world: World, labelled: NDArray[np.bool_], classes: Sequence[str], held: NDArray[np.bool_], folder: Path) -> Run:
    """labelled: (N,) bool, whose labels the collection has; held-out ones among them only measure."""
    shutil.rmtree(folder, ignore_errors=True)
    flags = labelled[:, np.newaxis] & (world.names[:, np.newaxis] == np.array(classes))
    write_inputs(folder, world.bundle, world.encoded, world.pixels, flags, classes, held, collection="benchmark")
    return _run(folder)


def _run(folder: Path) -> Run:
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "models.heads.train", str(folder)],
        cwd=ROOT, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    last = json.loads(done.stdout.splitlines()[-1])
    if "result" not in last:
        raise SystemExit(f"models.heads.train: {last.get('error', done.stderr)}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(last["result"], read_head(folder / "bundle" / last["result"]["model"]), wall, cpu)


def _draws(world: World, seeds: int) -> Iterator[tuple[np.random.Generator, NDArray[np.bool_]]]:
    """A generator and the held-out tiles of each seed."""
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        yield random, random.random(len(world.names)) < 1 / HELD_OUT


def _some(
    world: World, classes: Sequence[str], count: int, held: NDArray[np.bool_], random: np.random.Generator
) -> NDArray[np.bool_]:
    """`count` tiles of each class that are not held out, and all that are."""
    chosen = held & np.isin(world.names, classes)
    for name in classes:
        chosen[random.permutation(np.flatnonzero((world.names == name) & ~held))[:count]] = True
    return chosen


def _found(world: World, head: Head, held: NDArray[np.bool_], classes: Sequence[str]) -> dict[str, float]:
    """mAP by class of all held-out tiles ranked among themselves."""
    rows = np.flatnonzero(held)
    embeddings, names = head.project(world.encoded.features, rows), world.names[rows]
    report = retrieval_metrics(embeddings, names, embeddings, names, exclude_self=True, ks=())
    by_class, asked = report.class_average_precision, set(classes)
    counts = {name: int(np.sum(names == name)) for name in by_class}

    def mean(wanted: Sequence[str]) -> float:
        return float(np.average([by_class[name] for name in wanted], weights=[counts[name] for name in wanted]))

    return {"asked": mean(sorted(asked)), "others": mean(sorted(set(by_class) - asked))}


def _quality(world: World, asked: list[str], labels: list[int], seeds: int, folder: Path) -> None:
    rows: dict[int, list[list[float]]] = {}
    for random, held in _draws(world, seeds):
        before = _found(world, read_head(world.bundle), held, asked)
        for count in labels:
            run = _train(world, _some(world, asked, count, held, random), asked, held, folder / "quality")
            metrics, after = run.result["metrics"], _found(world, run.head, held, asked)
            none = [metrics["before"]["mean_average_precision"], metrics["before"]["precision_at_10"], *before.values()]
            some = [metrics["after"]["mean_average_precision"], metrics["after"]["precision_at_10"], *after.values()]
            rows.setdefault(0, []).append([*none, 0.0, 0.0])
            rows.setdefault(count, []).append([*some, run.wall, run.cpu])
    print_table(
        f"Held-out tiles query each other: mean average precision, mean of {seeds} draws",
        ("labels a class", "alone", "alone, P@10", "among all", "other classes", "s", "cpu s"),
        [[str(count), *_cells(np.mean(each, axis=0))] for count, each in sorted(rows.items())],
    )


def _half(world: World, asked: list[str], seeds: int, folder: Path) -> None:
    """Ten labels for every other asked class: what becomes of the rest, which no training saw at all."""
    rows: dict[str, list[list[float]]] = {}
    named, rest = asked[::2], asked[1::2]
    for random, held in _draws(world, seeds):
        run = _train(world, _some(world, named, 10, held, random), named, held, folder / "half")
        for kind, classes in (("labelled", named), ("never labelled", rest)):
            heads = (read_head(world.bundle), run.head)
            rows.setdefault(kind, []).append([_found(world, head, held, classes)["asked"] for head in heads])
    print_table(
        f"Ten labels for each of {', '.join(named)}: mean average precision among all held-out tiles",
        ("unseen classes", "before", "after"),
        [[kind, *(f"{100 * value:.1f}" for value in np.mean(each, axis=0))] for kind, each in rows.items()],
    )


def _speed(world: World, sizes: list[int], folder: Path) -> None:
    """The program alone on `sizes` tiles: the collection over and over, with noise."""
    rows = []
    classes = np.unique(world.names)[:SPEED_CLASSES].tolist()
    for size in sizes:
        random = np.random.default_rng(0)
        source = random.integers(0, len(world.names), size)
        deviation = world.encoded.features.astype(np.float32).std(axis=0)
        noise = random.normal(0, NOISE, (size, len(deviation))).astype(np.float32) * deviation
        features = (world.encoded.features[source] + noise).astype(np.float16)
        encoded = Encoded(features, world.encoded.embeddings[source], world.encoded.pairs[source])
        names = world.names[source]
        held = random.random(size) < 1 / HELD_OUT
        labelled = np.zeros(size, np.bool_)
        for name in classes:
            of_class = random.permutation(np.flatnonzero(names == name))
            for part, count in ((of_class[~held[of_class]], SPEED_LABELS), (of_class[held[of_class]], SPEED_LABELS // 4)):
                labelled[part[:count]] = True
        flags = labelled[:, np.newaxis] & (names[:, np.newaxis] == np.array(classes))
        target = folder / str(size)
        write_inputs(target, world.bundle, encoded, _Pixels(world.pixels, source), flags, classes, held, collection="benchmark")
        run = _run(target)
        rows.append([f"{size:,}", str(run.result["labelled"]), f"{run.wall:.1f}", f"{run.cpu:.1f}"])
    print_table(
        "The program alone, reading its files to writing the bundle", ("tiles", "labels", "seconds", "cpu seconds"), rows
    )


class _Pixels:
    """Tiles of an array by another numbering, read as they are asked for."""

    def __init__(self, pixels: NDArray[np.uint8], source: NDArray[np.int64]) -> None:
        self._pixels, self._source = pixels, source

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        return np.asarray(self._pixels[self._source[rows]])


def _cells(values: NDArray[np.float64]) -> list[str]:
    shares, (wall, cpu) = values[:4], values[4:]
    seconds = [f"{wall:.1f}", f"{cpu:.1f}"] if wall else ["-", "-"]
    return [*(f"{100 * value:.1f}" for value in shares), *seconds]


if __name__ == "__main__":
    main()
