"""A collection with a schedule, over HTTP, and pictures for its sources."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx

from tests.support import images
from tests.support.service import Service, document

YEARLY = "0 0 1 1 *"


class Scheduled:
    """A collection with a schedule."""

    def __init__(self, service: Service, collection: str) -> None:
        self.service = service
        self.path = f"/collections/{collection}"

    def put(self, sources: list[Any], cron: str = YEARLY, **more: Any) -> httpx.Response:
        return self.service.client.put(f"{self.path}/schedule", json={"cron": cron, "sources": sources, **more})

    def set(self, *sources: Any, **more: Any) -> dict[str, Any]:
        answer = self.put(list(sources), **more)
        assert answer.status_code == 200, answer.text
        return document(answer)

    def show(self) -> dict[str, Any]:
        return document(self.service.client.get(f"{self.path}/schedule"))

    def start(self, **body: Any) -> httpx.Response:
        answer = self.service.client.post(f"{self.path}/schedule/run", json=body or None)
        assert answer.status_code == 201, answer.text
        return answer

    def run(self, **body: Any) -> dict[str, Any]:
        """A run to its end; its result, also if it failed because every file was rejected."""
        job = self.service.wait(self.start(**body).headers["location"])
        assert any(link["rel"].endswith("/results") for link in job["links"]), job
        return document(self.service.client.get(f"/jobs/{job['id']}/results"))

    def refused(self, **body: Any) -> str:
        """Why a run failed."""
        job = self.service.wait(self.start(**body).headers["location"])
        assert job["status"] == "failed", job
        return str(job["message"])

    def tiles(self) -> dict[str, dict[str, Any]]:
        """The properties of all tiles, by their source within the test's folder."""
        features = document(self.service.client.get(f"{self.path}/items?limit=1000"))["features"]
        return {re.split(r"/folder-\d+/", each["properties"]["source"])[-1]: each["properties"] for each in features}


def write(folder: Path, *names: str, seed: int = 0) -> None:
    """Pictures, each of its own."""
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        images.saved(folder / name, images.picture(seed=seed + number))


def counts(result: dict[str, Any], *names: str) -> tuple[int, ...]:
    return tuple(result[name] for name in names)
