"""Fill the disks of a cluster: a worker's DYAD_HOME, and the folder of the blobs. Mounts a tmpfs, which needs root.

python benchmarks/bench_cluster_disk.py [--files 300] [--side 256]

An ingest fills the disk, which is emptied afterwards. What does the job report, what is served while the disk is full, and is
the ingest complete when it is sent again?
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._table import machine_line, print_table
from tests.support.cluster import Cluster, items_of, wait_for_job
from tests.support.images import zipped

COLLECTION = "full"
SMALL, ENOUGH = "12m", "512m"


def main() -> None:
    """Run the parts; a row a question."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--side", type=int, default=256)
    options = parser.parse_args()
    rows, is_bad = [], False
    for part in ("home", "blobs"):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            with small_disk(folder / part):
                full = Full(folder, options.files, options.side)
                full.run(part)
        rows += [[f"{part} full: {what}", said] for what, said in full.said.items()]
        is_bad = is_bad or full.is_bad
    print(machine_line())
    print_table("full disks", ["check", "result"], rows)
    if is_bad:
        raise SystemExit(1)


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A tmpfs on a folder for the block."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "none", str(folder)], check=False)
    if mounted.returncode:
        raise SystemExit("skipped: a tmpfs cannot be mounted here; run it as root")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Full:
    """A cluster with one small disk."""

    def __init__(self, folder: Path, files: int, side: int) -> None:
        self._folder = folder
        self._files = files
        self._members = {f"{number}.jpg": noise(number, side) for number in range(files)}
        self.said: dict[str, str] = {}
        self.is_bad = False

    def run(self, part: str) -> None:
        """Ingest into the full disk, look, empty it, ingest again."""
        # Where the home is small the zip comes by its path, so that it is the worker that runs out of space, not the API.
        archive = zipped(self._folder / "tiles.zip", self._members)
        env = {"DYAD_CHUNK_FILES": "100", "DYAD_READ_ROOTS": str(self._folder)}
        with Cluster(self._folder, env=env) as cluster:
            client = self._started(cluster, part)
            first = self._ingest(client, archive)
            self.said["the job"] = f"{first['status']}: {first['message'][-70:]}"
            is_told = "disk is full" in first["message"]
            self.is_bad |= first["status"] != "failed" or not is_told
            self._look(client, "served after the failure")
            disk = self._folder / part
            subprocess.run(["mount", "-o", f"remount,size={ENOUGH}", str(disk)], check=True)
            for ballast in disk.glob("ballast"):
                ballast.unlink()
            again = self._ingest(client, archive)
            self.said["the same again, with space"] = f"{again['status']}: {again['message']}"
            there = self._look(client, "served then")
            self.is_bad |= again["status"] != "successful" or there != self._files

    def _started(self, cluster: Cluster, part: str) -> httpx.Client:
        """API, beat and two workers; on a small home only a megabyte is left after their start."""
        api = cluster.api(self._folder / "elsewhere")
        cluster.beat()
        for _ in range(2):
            cluster.worker()
        api.client.post("/collections", json={"id": COLLECTION, "model": "hog"}).raise_for_status()
        if part == "home":
            with (self._folder / part / "ballast").open("wb") as ballast:
                ballast.write(bytes(int(SMALL[:-1]) * (1 << 20) - (1 << 16)))
        return api.client

    def _ingest(self, client: httpx.Client, archive: Path) -> dict[str, str]:
        accepted = client.post(f"/collections/{COLLECTION}/items", json={"href": str(archive)})
        return wait_for_job(client, accepted.raise_for_status().headers["location"], 600)

    def _look(self, client: httpx.Client, when: str) -> int:
        """Count the tiles, and those whose picture is not what was sent."""
        items = items_of(client, COLLECTION)
        names = [item["properties"]["file_name"] for item in items]
        broken = sum(self._is_broken(client, item["id"], item["properties"]["file_name"]) for item in items)
        self.said[when] = f"{len(items)} tiles, {len(names) - len(set(names))} twice, {broken} broken pictures"
        self.is_bad |= bool(broken) or len(names) != len(set(names))
        return len(items)

    def _is_broken(self, client: httpx.Client, item: str, name: str) -> bool:
        answer = client.get(f"/collections/{COLLECTION}/items/{item}/image")
        return answer.status_code != 200 or answer.content != self._members[name]


def noise(seed: int, side: int) -> bytes:
    """A JPEG that does not compress."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


if __name__ == "__main__":
    main()
