"""What a service has acknowledged, and the comparison with what it serves after a kill."""

from __future__ import annotations

import random
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx

from tests.support.cluster import items_of

LABEL_THREADS = 2
PAUSE = 0.02
Target = tuple[str, str]
"""A collection and the identifier of one of its tiles."""


class Ledger:
    """Acknowledged tiles and labels.

    tiles: identifiers of tiles that a job has reported, by collection. files: names of files whose upload was accepted, so that
    they must be indexed when all jobs have ended. labels: the acceptable labels of a tile; several while a request that was not
    answered may have been applied.
    """

    def __init__(self) -> None:
        self.tiles: defaultdict[str, set[str]] = defaultdict(set)
        self.files: defaultdict[str, set[str]] = defaultdict(set)
        self.labels: dict[Target, set[tuple[str, ...]]] = {}
        self.acknowledged_labels = 0
        self._number = 0
        self._guard = threading.Lock()

    def label(self, client: httpx.Client, target: Target) -> None:
        """Set a new label; only an answer with status 200 acknowledges it."""
        with self._guard:
            self._number += 1
            wanted = (f"label {self._number}",)
        self.labels.setdefault(target, {()}).add(wanted)
        collection, item = target
        answer = client.patch(f"/collections/{collection}/items/{item}", json={"labels": list(wanted)})
        if answer.status_code == 200:
            self.labels[target] = {wanted}
            with self._guard:
                self.acknowledged_labels += 1

    @contextmanager
    def labelling(self, url: str, targets: Sequence[Target], threads: int = LABEL_THREADS) -> Iterator[None]:
        """Label tiles in threads until the block ends or the service is killed; each tile belongs to one thread."""
        stop = threading.Event()

        def work(number: int) -> None:
            choices = random.Random(self._number + number)
            with httpx.Client(base_url=url, timeout=30) as client:
                while not stop.is_set():
                    try:
                        self.label(client, choices.choice(targets[number::threads]))
                    except httpx.HTTPError:  # killed
                        return
                    stop.wait(PAUSE)

        running = [threading.Thread(target=work, args=(number,)) for number in range(min(threads, len(targets)))]
        for thread in running:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in running:
                thread.join()

    def compare(self, client: httpx.Client) -> tuple[Counter[str], dict[str, list[dict[str, Any]]]]:
        """Count what is lost or doubled in the answers of a service, and return all tiles by collection."""
        faults: Counter[str] = Counter()
        served = {collection: items_of(client, collection) for collection in self.tiles}
        for collection, items in served.items():
            found = {item["id"] for item in items}
            faults["lost tiles"] += len(self.tiles[collection] - found)
            faults["doubled"] += len(items) - len({item["properties"]["file_name"] for item in items})
            labels = {(collection, item["id"]): tuple(item["properties"]["labels"]) for item in items}
            for target in labels.keys() & self.labels.keys():
                faults["lost labels"] += labels[target] not in self.labels[target]
                self.labels[target] = {labels[target]}
            faults["lost labels"] += sum(target[0] == collection and target not in labels for target in self.labels)
        return faults, served

    def missing_files(self, served: dict[str, list[dict[str, Any]]]) -> int:
        """How many accepted files have no tile, when all jobs have ended."""
        names = {name: {item["properties"]["file_name"] for item in items} for name, items in served.items()}
        return sum(len(files - names.get(collection, set())) for collection, files in self.files.items())
