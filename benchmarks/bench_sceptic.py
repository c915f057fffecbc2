"""The learning loop through HTTP: what the gate decides about labels of five kinds, and what happens to the whole archive.

python benchmarks/bench_sceptic.py DATA... [--draws 20] [--per-class 16] [--kinds KIND...] [--seed 1000] [--log FILE]

DATA are folders with a folder of images for each class. Images of every class are indexed once, by the default model. For each
draw some tiles are labelled, a head is trained, the collection is re-indexed, and, if it was switched, rolled back:

right           five to ten tiles of every class
few             three to six tiles of two to five classes
one-sided       ten to twenty tiles of four classes
shuffled        eight to twelve tiles of four, eight or all classes, whose labels are permuted
half-shuffled   the same, but only half of the labels are permuted

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

from benchmarks._sceptic_archive import COLLECTION, KINDS, POLL_SECONDS, Archive, Means, draw, fill, means, precisions
from benchmarks._serving import Served
from benchmarks._table import machine_line, print_table

VERDICTS = ("passed", "undecided", "refused")
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
class Outcome:
    """A draw. labels, classes: numbers of labelled tiles and their classes. before, after: with the base model and the head."""

    archive: str
    kind: str
    seed: int
    labels: int
    classes: int
    result: dict[str, Any]
    before: Means
    after: Means
    seconds: float

    @property
    def change(self) -> float:
        """Change of all tiles."""
        return self.after[0] - self.before[0]

    def line(self) -> str:
        """The draw in one line."""
        change = self.result["gate"].get("change") or {}
        said = " ".join(f"{100 * change[name]:+.1f}" for name in ("mean", "low", "high") if change) or "no figures"
        parts = [f"labelled classes {self.after[1] - self.before[1]:+.1f}"]
        if self.before[2] is not None and self.after[2] is not None:
            parts.append(f"others {self.after[2] - self.before[2]:+.1f}")
        return (
            f"{self.archive} {self.kind} {self.seed}: {self.labels} labels of {self.classes} classes; gate: "
            f"{self.result['verdict']} ({said}); archive {self.before[0]:.1f} to {self.after[0]:.1f} ({self.change:+.2f}; "
            f"{', '.join(parts)}); {self.seconds:.0f} s"
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
    columns = ["labels", "draws", *VERDICTS, "unchanged", "mean", "worst", "worst switch", "useful"]
    print_table("Changes of the archive's mean average precision by the new heads, in points", columns, rows)
    worst = min((each.change for each in outcomes if each.result["switched"]), default=0.0)
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
    return "shuffled" not in outcome.kind and outcome.change >= USEFUL_GAIN


def row(name: str, own: Sequence[Outcome]) -> list[str]:
    """A line of the table."""
    changes = [each.change for each in own]
    switched = [each.change for each in own if each.result["switched"]]
    useful = [each.result["switched"] for each in own if is_useful(each)]
    return [
        name,
        str(len(own)),
        *(str(sum(each.result["verdict"] == said for each in own)) for said in VERDICTS),
        str(sum(not each.result["gate"]["learned"] for each in own)),
        f"{np.mean(changes):+.2f}",
        f"{min(changes):+.2f}",
        f"{min(switched):+.2f}" if switched else "",
        f"{sum(useful)} of {len(useful)}",
    ]


if __name__ == "__main__":
    main()
