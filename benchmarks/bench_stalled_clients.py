"""Clients that stall while others search: half-sent heads, half-sent bodies, and answers that nobody reads.

python benchmarks/bench_stalled_clients.py [--clients 1000] [--addresses 20] [--hold 60] [--descriptors 1024]

A real service with the usual limit of 1 024 open files; two clients search one after another before, while and after the
stalled ones are connected. The stalled ones have loopback addresses of their own (127.0.1.x), because limits of connections
count by address. Reported for each phase: searches, failures, times, open descriptors of the service, staging folders, log
lines, and answers of status 5xx in the metrics. Exit status 1 if a search failed, a staging folder or descriptors are left
after the stalled clients have disconnected, or the log has more lines than there were clients.
"""

from __future__ import annotations

import argparse
import re
import resource
import socket
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._serving import Served
from benchmarks._table import machine_line, print_table
from tests.support.images import jpeg_bytes

COLLECTION = "tiles"
SEARCHERS = 2
SEARCH_SECONDS = 10.0
"""A search that takes longer is a failure."""
CONNECT_SECONDS = 2.0
LARGE, LARGE_SIDE = "large.jpg", 1500
"""Name and side in pixels of the image that is requested but never read; it exceeds the buffers of a connection."""
MAX_LOG_BYTES = 200_000_000
SPARE_DESCRIPTORS = 20
"""Descriptors that a service may have more than before, for its own connections and files."""


@dataclass
class Phase:
    """Results of searches, and the state of the service at the end of the phase."""

    name: str
    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    descriptors: int = 0
    staging: int = 0
    lines: int = 0
    errors: str = ""


def main() -> None:
    """Three phases and their table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--addresses", type=int, default=20, help="loopback addresses of the stalled clients, at most 250")
    parser.add_argument("--hold", type=float, default=60, help="seconds for which they stay connected")
    parser.add_argument("--settle", type=float, default=10, help="seconds of the phases before and after")
    parser.add_argument("--descriptors", type=int, default=1024, help="limit of open files of the service")
    options = parser.parse_args()
    addresses = [f"127.0.1.{number + 1}" for number in range(min(options.addresses, 250))]
    with tempfile.TemporaryDirectory() as folder:
        service = _start(Path(folder), options.descriptors)
        with service:
            bench = _Bench(service, Path(folder) / "home" / "staging")
            bench.measure("before", options.settle)
            with Stalled(service, addresses, options.clients) as stalled:
                bench.measure("while stalled", options.hold)
                closed = stalled.closed_by_service()
            bench.measure("after", options.settle)
            is_right = bench.is_right(options.clients)
            stops = service.stop()
    print(machine_line())
    bench.print_phases(f"{stalled.connected} stalled clients of {options.clients}")
    print(f"closed by the service: {closed}; connections refused: {stalled.refused}; SIGTERM was enough: {stops}")
    for failure in bench.failures()[:5]:
        print(failure)
    sys.exit(not (is_right and stops))


def _start(folder: Path, descriptors: int) -> Served:
    """The service, with a limit of open files; this process then raises its own as far as it may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(descriptors, hard), hard))
    service = Served(folder / "home", folder / "log")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    client = service.client
    client.post("/collections", json={"id": COLLECTION, "model": "hog", "tile_size": 64}).raise_for_status()
    files = [("files", (f"{number}.jpg", jpeg_bytes(number))) for number in range(20)]
    files.append(("files", (LARGE, jpeg_bytes(side=LARGE_SIDE))))
    job = client.post(f"/collections/{COLLECTION}/items", files=files).raise_for_status().json()["id"]
    deadline = time.monotonic() + 60
    while client.get(f"/jobs/{job}").json()["status"] in ("accepted", "running") and time.monotonic() < deadline:
        time.sleep(0.1)
    return service


class Stalled:
    """Stalled connections, closed at the end of the block. connected, refused: how many could connect or could not."""

    def __init__(self, service: Served, addresses: list[str], count: int) -> None:
        host, port = service.url.removeprefix("http://").split(":")
        self._target = (host, int(port))
        self._addresses = addresses
        self._count = count
        items = service.client.get(f"/collections/{COLLECTION}/items?limit=100").raise_for_status().json()["features"]
        self._item = next(item["id"] for item in items if item["properties"]["file_name"] == LARGE)
        self._sockets: list[socket.socket] = []
        self.connected = self.refused = 0

    def __enter__(self) -> Stalled:
        kinds = (self._half_head, self._half_body, self._unread)
        with ExitStack() as opened:
            for number in range(self._count):
                connection = self._connect(self._addresses[number % len(self._addresses)])
                if connection is not None:
                    opened.callback(connection.close)
                    self._sockets.append(connection)
                    with suppress(OSError):  # closed by the service
                        connection.sendall(kinds[number % len(kinds)]())
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def closed_by_service(self) -> int:
        """How many connections the service has closed; it may have answered before."""
        return sum(map(_is_closed, self._sockets))

    def _connect(self, address: str) -> socket.socket | None:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(CONNECT_SECONDS)
        try:
            connection.bind((address, 0))
            connection.connect(self._target)
        except OSError:
            connection.close()
            self.refused += 1
            return None
        self.connected += 1
        return connection

    def _half_head(self) -> bytes:
        return f"GET /collections HTTP/1.1\r\nHost: {self._target[0]}\r\nX-Half: ".encode()

    def _half_body(self) -> bytes:
        part = '--half\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
        head = (
            f"POST /collections/{COLLECTION}/items HTTP/1.1\r\nHost: {self._target[0]}\r\n"
            "Content-Type: multipart/form-data; boundary=half\r\nContent-Length: 1000000\r\n\r\n"
        )
        return (head + part).encode() + bytes(2000)

    def _unread(self) -> bytes:
        path = f"/collections/{COLLECTION}/items/{self._item}/image"
        return f"GET {path} HTTP/1.1\r\nHost: {self._target[0]}\r\n\r\n".encode()


def _is_closed(connection: socket.socket) -> bool:
    """Whether the other side has closed a connection, after reading what it had sent (at most 1 MB)."""
    connection.settimeout(0)
    try:
        for _ in range(256):
            if not connection.recv(4096):
                return True
    except BlockingIOError:
        return False
    except OSError:
        return True
    return False


class _Bench:
    """Searches in phases."""

    def __init__(self, service: Served, staging: Path) -> None:
        self._service = service
        self._staging = staging
        self._phases: list[Phase] = []

    def measure(self, name: str, seconds: float) -> None:
        """Search for so many seconds, then look at the process."""
        phase = Phase(name)
        end = time.monotonic() + seconds
        threads = [threading.Thread(target=self._search, args=(phase, end, number)) for number in range(SEARCHERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        pid = self._service.process.pid
        with suppress(OSError):
            phase.descriptors = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
        phase.staging = sum(1 for _ in self._staging.iterdir())
        phase.lines = self._service.output.count("\n")
        phase.errors = self._server_errors()
        self._phases.append(phase)

    def is_right(self, clients: int) -> bool:
        """Whether every search was answered and nothing is left."""
        before, *_, after = self._phases
        is_clean = after.staging <= before.staging and after.descriptors <= before.descriptors + SPARE_DESCRIPTORS
        return (
            not self.failures() and is_clean and after.lines - before.lines <= clients and after.errors in ("0", before.errors)
        )

    def failures(self) -> list[str]:
        """Reasons of failed searches."""
        return [failure for phase in self._phases for failure in phase.failures]

    def print_phases(self, title: str) -> None:
        """A row for each phase."""
        rows = []
        for phase in self._phases:
            p50, p99 = np.percentile(phase.seconds, (50, 99)) * 1000 if phase.seconds else (float("nan"), float("nan"))
            counts = (len(phase.seconds), len(phase.failures), phase.descriptors, phase.staging, phase.lines, phase.errors)
            searches, failed, *rest = map(str, counts)
            rows.append([phase.name, searches, failed, f"{p50:.0f}", f"{p99:.0f}", *rest])
        names = ["searches", "failed", "p50, ms", "p99, ms", "descriptors", "staging folders", "log lines", "answers 5xx"]
        print_table(title, ["phase", *names], rows)

    def _search(self, phase: Phase, end: float, number: int) -> None:
        with httpx.Client(base_url=self._service.url, timeout=SEARCH_SECONDS) as client:
            while time.monotonic() < end:
                started = time.monotonic()
                try:
                    files = {"image": ("query.jpg", jpeg_bytes(number))}
                    client.post(f"/collections/{COLLECTION}/search", files=files).raise_for_status()
                    phase.seconds.append(time.monotonic() - started)
                except httpx.HTTPError as error:
                    phase.failures.append(f"{phase.name}: {type(error).__name__}: {str(error).partition(chr(10))[0][:160]}")
                    time.sleep(0.2)
                if self._service.log.stat().st_size > MAX_LOG_BYTES:
                    phase.failures.append(f"{phase.name}: the log exceeds {MAX_LOG_BYTES >> 20} MiB")
                    return

    def _server_errors(self) -> str:
        """The number of answers with status 5xx in the metrics; `unknown` if the service does not answer."""
        try:
            text = httpx.get(f"{self._service.url}/metrics", timeout=SEARCH_SECONDS).raise_for_status().text
        except httpx.HTTPError:
            return "unknown"
        found = re.findall(r'^dyad_requests_total\{.*status="5\d\d".*\} (\S+)$', text, re.MULTILINE)
        return str(int(sum(map(float, found))))


if __name__ == "__main__":
    main()
