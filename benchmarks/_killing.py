"""Shared by the benchmarks that kill the service: one state folder for all kills, and checks of it after each."""

from __future__ import annotations

import random
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks._imagery import images_of
from tests.support.cluster import items_of
from tests.support.process import ServeProcess

ROOT = Path(__file__).parents[1]


def sample_files(data: Path, count: int) -> list[Path]:
    """`count` images of UC Merced, always the same."""
    return random.Random(0).sample(images_of(data), count)


class State:
    """The state folder of one collection; services come and go over it."""

    def __init__(self, home: Path, collection: str, **env: str) -> None:
        self.home = home
        self.collection = collection
        self._env = env
        self.reopened: list[float] = []

    @contextmanager
    def serve(self) -> Iterator[ServeProcess]:
        """The real service in a process of its own; stopped after the block unless the block killed it."""
        with ServeProcess(self.home, None, **self._env) as service:
            self.reopened.append(service.ready_seconds)
            yield service

    @property
    def slowest_restart(self) -> str:
        """In seconds, for the table."""
        return f"{max(self.reopened):.2f}"

    def items(self, client: httpx.Client) -> list[dict[str, Any]]:
        """All tiles of the collection, by paging."""
        return items_of(client, self.collection)

    def reported(self, job: str) -> list[str]:
        """Ids of the tiles that a job has reported as done, read from the table of a service that was killed."""
        return [row[0] for row in self._jobs("SELECT item_id FROM items WHERE job_id = ?", job)]

    def status(self, job: str) -> str | None:
        """The status of a job in that table, None if it was not submitted yet."""
        return next((row[0] for row in self._jobs("SELECT status FROM jobs WHERE id = ?", job)), None)

    def _jobs(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(f"file:{self.home / 'jobs.sqlite'}?mode=ro", uri=True) as jobs:
            return jobs.execute(query, values).fetchall()

    def best_hit(self, client: httpx.Client, image: Path) -> dict[str, Any]:
        """The first hit of a search with an image."""
        with image.open("rb") as file:
            answer = client.post(f"/collections/{self.collection}/search", files={"image": file}).raise_for_status()
        feature: dict[str, Any] = answer.json()["features"][0]
        return feature

    def image(self, client: httpx.Client, item: str) -> bytes | None:
        """The original of a tile, None if it is not there."""
        answer = client.get(f"/collections/{self.collection}/items/{item}/image")
        return answer.content if answer.status_code == 200 else None


def has_ended(client: httpx.Client, job: str) -> bool:
    """Whether a job has ended; it must not fail."""
    document = client.get(f"/jobs/{job}").raise_for_status().json()
    if document["status"] == "failed":
        raise SystemExit(f"job {job} failed: {document['message']}")
    return bool(document["status"] == "successful")


def show_progress(done: int, of: int) -> None:
    """One line on stderr that is written over."""
    sys.stderr.write(f"\rkill {done} of {of}" + ("\n" if done == of else ""))
