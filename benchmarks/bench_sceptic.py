"""The learning loop through HTTP: what the gate decides about labels of four kinds, and what happens to the whole archive.

python benchmarks/bench_sceptic.py DATA... [--draws 20] [--per-class 16] [--kinds KIND...] [--seed 1000] [--log FILE]

DATA are folders with a folder of images for each class. Images of every class are indexed once, by the default model. For each
draw some tiles are labelled, a head is trained, the collection is re-indexed, and, if it was switched, rolled back:

right       five to ten tiles of every class
few         three to six tiles of two to five classes
one-sided   ten to twenty tiles of four classes
shuffled    eight to twelve tiles of four, eight or all classes, whose labels are permuted

The archive's mean average precision is that of all tiles as queries among all others, by their folders' classes, which the
service does not have; it is computed here from the stored features and the head, without code of the service.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.container import Container
from app.domain.queries.search import TileFilter
from app.settings import load_settings
from benchmarks._serving import Served
from benchmarks._table import machine_line, print_table

COLLECTION = "archive"
KINDS = ("right", "few", "one-sided", "shuffled")
POLL_SECONDS = 0.2
WORST_LOSS, USEFUL_GAIN, USEFUL_SHARE = 0.5, 1.0, 0.9
"""Points of mean average precision that a switch may lose; that labels gain which are useful; share of these to be switched."""


def main() -> None:
    """Run all draws on every data set and print the outcomes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--draws", type=int, default=20, help="draws of each kind")
    parser.add_argument("--per-class", type=int, default=16, help="indexed images of each class")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--seed", type=int, default=1000, help="seed of the first draw")
    parser.add_argument("--log", type=Path, help="file of the draws, a JSON object per line; draws in it are not made again")
    options = parser.parse_args()
    print(machine_line())
    outcomes = read_log(options.log)
    made = {(each.archive, each.kind, each.seed) for each in outcomes}
    for data in options.data:
        with tempfile.TemporaryDirectory() as folder:
            archive = fill(Path(folder), data, options.per_class)
            with Served(Path(folder) / "home", Path(folder) / "log") as service:
                loop = Loop(service.client, archive, Path(folder) / "home" / "models")
                for seed in range(options.seed, options.seed + options.draws):
                    for kind in options.kinds:
                        if (archive.name, kind, seed) in made:
                            continue
                        outcome = loop.run(kind, seed)
                        if outcome is None:
                            print(f"{archive.name} {kind} {seed}: too few labels to train on", flush=True)
                            continue
                        outcomes.append(outcome)
                        print(outcome.line(), flush=True)
                        if options.log:
                            with options.log.open("a") as log:
                                log.write(json.dumps(asdict(outcome)) + "\n")
    report(outcomes)


@dataclass(frozen=True, slots=True)
class Archive:
    """The indexed tiles. classes: (N,) number of the true class. features: (N, F). embeddings: (N, D) of the base model."""

    name: str
    ids: list[str]
    classes: NDArray[np.intp]
    names: list[str]
    features: NDArray[np.float32]
    embeddings: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A draw. before, after: mean average precision in points of the base index and the new head: of all tiles, of the labelled
    classes, of the others (NaN without others). labels, classes: numbers of labelled tiles and of their classes.
    """

    archive: str
    kind: str
    seed: int
    labels: int
    classes: int
    result: dict[str, Any]
    before: tuple[float, float, float]
    after: tuple[float, float, float]
    seconds: float

    @property
    def changes(self) -> list[float]:
        """Changes of all tiles, of the labelled classes, of the others."""
        return [after - before for before, after in zip(self.before, self.after, strict=True)]

    def line(self) -> str:
        """The draw in one line."""
        change = self.result["gate"].get("change") or {}
        said = " ".join(f"{100 * change[name]:+.1f}" for name in ("mean", "low", "high") if change) or "no figures"
        whole, own, others = self.changes
        return (
            f"{self.archive} {self.kind} {self.seed}: {self.labels} labels of {self.classes} classes; gate: "
            f"{self.result['verdict']} ({said}); archive {self.before[0]:.1f} to {self.after[0]:.1f} ({whole:+.2f}; labelled "
            f"classes {own:+.1f}, others {others:+.1f}); {self.seconds:.0f} s"
        )


class Loop:
    """Labels, trains, re-indexes and rolls back one collection of a service. models: folder with the service's models."""

    def __init__(self, client: httpx.Client, archive: Archive, models: Path) -> None:
        self._client = client
        self._archive = archive
        self._models = models
        self._before = precisions(archive.embeddings, archive.classes)
        self._trained: list[str] = []

    def run(self, kind: str, seed: int) -> Outcome | None:
        """One draw; None if it has too few labels that are not held out."""
        started = time.perf_counter()
        rows, labels = draw(kind, seed, self._archive.classes)
        self._label(rows, labels)
        body = {"inputs": {"collection": COLLECTION, "seed": seed}}
        answer = self._client.post("/processes/train/execution", json=body)
        if answer.status_code == httpx.codes.BAD_REQUEST:
            return None
        train = self._results(answer.raise_for_status().json()["id"])
        result = self._results(train["reindex_job"])
        if result["switched"]:
            body = {"version": result["previous_version"]}
            self._client.post(f"/collections/{COLLECTION}/rollback", json=body).raise_for_status()
        after = precisions(self._embed(train["model"]), self._archive.classes)
        self._forget(train["model"])
        is_labelled = np.isin(self._archive.classes, self._archive.classes[rows])
        return Outcome(
            archive=self._archive.name,
            kind=kind,
            seed=seed,
            labels=len(rows),
            classes=len(np.unique(labels)),
            result=result,
            before=means(self._before, is_labelled),
            after=means(after, is_labelled),
            seconds=time.perf_counter() - started,
        )

    def _label(self, rows: NDArray[np.intp], labels: NDArray[np.intp]) -> None:
        """Replace the labels of all tiles."""
        given = {int(row): self._archive.names[label] for row, label in zip(rows, labels, strict=True)}
        lines = [f"{item},{given.get(row, '')}" for row, item in enumerate(self._archive.ids)]
        content = "\n".join(["id,labels", *lines])
        path = f"/collections/{COLLECTION}/labels"
        headers = {"content-type": "text/csv"}
        self._client.post(path, params={"mode": "replace"}, content=content, headers=headers).raise_for_status()

    def _results(self, job: str) -> dict[str, Any]:
        """The results of a job, when it has ended."""
        while (state := self._client.get(f"/jobs/{job}").raise_for_status().json())["status"] in ("accepted", "running"):
            time.sleep(POLL_SECONDS)
        if state["status"] != "successful":
            raise SystemExit(f"job {job} {state['status']}: {state['message']}")
        found: dict[str, Any] = self._client.get(f"/jobs/{job}/results").raise_for_status().json()
        return found

    def _embed(self, model: str) -> NDArray[np.float32]:
        with np.load(self._models / model / "head.npz") as head:
            made = self._archive.features @ head["weight"].T + head["bias"]
        return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), np.float32)

    def _forget(self, model: str) -> None:
        """Delete the models of earlier draws that no index version uses any more."""
        self._trained.append(model)
        for each in list(self._trained):
            if self._client.delete(f"/models/{each}").status_code != httpx.codes.CONFLICT:
                self._trained.remove(each)


def draw(kind: str, seed: int, classes: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(L,) rows to label, and the numbers of their labels."""
    random = np.random.default_rng([seed, KINDS.index(kind)])
    count = int(classes.max()) + 1
    chosen, low, high = {
        "right": (count, 5, 10),
        "few": (int(random.integers(2, 6)), 3, 6),
        "one-sided": (4, 10, 20),
        "shuffled": (int(random.choice([4, 8, count])), 8, 12),
    }[kind]
    each = int(random.integers(low, high + 1))
    labels = random.permutation(count)[:chosen]
    rows = np.concatenate([random.permutation(np.flatnonzero(classes == label))[:each] for label in labels])
    return rows, random.permutation(classes[rows]) if kind == "shuffled" else classes[rows]


def precisions(embeddings: NDArray[np.float32], classes: NDArray[np.intp]) -> NDArray[np.float64]:
    """(N,) average precision of each tile, in points; tiles of its class are relevant."""
    scores = embeddings @ embeddings.T
    np.fill_diagonal(scores, -np.inf)
    hits = classes[np.argsort(-scores, axis=1, kind="stable")[:, :-1]] == classes[:, None]
    ranks = np.arange(1, hits.shape[1] + 1)
    return np.asarray(100 * (hits * np.cumsum(hits, axis=1) / ranks).sum(axis=1) / hits.sum(axis=1))


def means(values: NDArray[np.float64], is_labelled: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Of all tiles, of the labelled classes, of the others."""
    others = values[~is_labelled]
    return float(values.mean()), float(values[is_labelled].mean()), float(others.mean()) if len(others) else float("nan")


def fill(folder: Path, data: Path, per_class: int) -> Archive:
    """Index some images of each class without labels; file names do not contain the class."""
    pictures = folder / "pictures"
    pictures.mkdir()
    truth: dict[str, str] = {}
    for kind in sorted(path for path in data.iterdir() if path.is_dir()):
        for path in sorted(kind.iterdir())[:per_class]:
            name = f"{len(truth):05d}{path.suffix}"
            (pictures / name).symlink_to(path.resolve())
            truth[name] = kind.name
    container = Container(load_settings({}, home=folder / "home"))
    container.start()
    try:
        container.collections.create(COLLECTION)
        job = container.ingest.submit_paths(COLLECTION, [pictures])
        while not container.jobs.get(job.id).status.ended:
            time.sleep(POLL_SECONDS)
        index = container.collections.live(COLLECTION).index
        tiles = container.vectors.scroll(index, limit=len(truth), filter=TileFilter()).tiles
        found = container.vectors.retrieve_vectors(index, [tile.id for tile in tiles])
    finally:
        container.close()
    names = sorted(set(truth.values()))
    classes = np.array([names.index(truth[tile.file_name]) for tile in tiles], np.intp)
    if found.feature is None:
        raise SystemExit("the default model has no features")
    return Archive(data.name, [tile.id for tile in tiles], classes, names, found.feature.astype(np.float32), found.embedding)


def read_log(path: Path | None) -> list[Outcome]:
    """The draws of an earlier run."""
    if path is None or not path.exists():
        return []
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return [Outcome(**{**each, "before": tuple(each["before"]), "after": tuple(each["after"])}) for each in found]


def report(outcomes: Sequence[Outcome]) -> None:
    """Print the table and the criteria."""
    groups = dict.fromkeys((each.archive, each.kind) for each in outcomes)
    rows = [
        row(f"{group[0]}, {group[1]}", [each for each in outcomes if (each.archive, each.kind) == group]) for group in groups
    ]
    verdicts = ["passed", "undecided", "refused"]
    columns = ["labels", "draws", *verdicts, "mean change", "worst", "worst switched", "useful switched"]
    print_table("Changes of the archive's mean average precision by the new heads, in points", columns, rows)
    worst = min((each.changes[0] for each in outcomes if each.result["switched"]), default=0.0)
    useful = [each.result["switched"] for each in outcomes if is_useful(each)]
    share = sum(useful) / max(1, len(useful))
    fooled = sum(each.result["switched"] for each in outcomes if each.kind == "shuffled")
    for text, is_met in (
        (f"worst switch {worst:+.2f} points (at least {-WORST_LOSS:g})", worst >= -WORST_LOSS),
        (f"useful labels switched {share:.0%} of {len(useful)} (at least {USEFUL_SHARE:.0%})", share >= USEFUL_SHARE),
        (f"shuffled labels switched {fooled} (none)", not fooled),
    ):
        print(f"{text}: {'met' if is_met else 'NOT MET'}")


def is_useful(outcome: Outcome) -> bool:
    """Whether right labels make the archive better."""
    return outcome.kind != "shuffled" and outcome.changes[0] >= USEFUL_GAIN


def row(name: str, own: Sequence[Outcome]) -> list[str]:
    """A line of the table."""
    changes = [each.changes[0] for each in own]
    switched = [each.changes[0] for each in own if each.result["switched"]]
    useful = [each.result["switched"] for each in own if is_useful(each)]
    return [
        name,
        str(len(own)),
        *(str(sum(each.result["verdict"] == said for each in own)) for said in ("passed", "undecided", "refused")),
        f"{np.mean(changes):+.2f}",
        f"{min(changes):+.2f}",
        f"{min(switched):+.2f}" if switched else "",
        f"{sum(useful)} of {len(useful)}",
    ]


if __name__ == "__main__":
    main()
