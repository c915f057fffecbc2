"""Clients that go on asking a cluster while it is broken, and a tally of what they were told."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from tests.support.images import jpeg_bytes

HUNG_SECONDS = 120.0
"""What takes longer is given up by the client, and counted as hung."""
PAUSE = 0.1


@dataclass(slots=True)
class Tally:
    """Of one kind of request. wrong: answers that are neither a success nor a 503 with `Retry-After`."""

    statuses: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def note(self, answer: httpx.Response, seconds: float) -> bool:
        """Count an answer; whether it is a success."""
        self.longest = max(self.longest, seconds)
        self.statuses[str(answer.status_code)] += 1
        is_told = answer.status_code == 503 and "retry-after" in answer.headers
        if not (answer.is_success or is_told):
            self.wrong.append(f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text[:200]}")
        return answer.is_success

    def note_failure(self, error: httpx.HTTPError, seconds: float) -> None:
        """Count a request without an answer."""
        self.longest = max(self.longest, seconds)
        self.wrong.append(f"{type(error).__name__} after {seconds:.1f} s")


class Load:
    """Threads of clients of several APIs: some search, some upload, some look at the jobs that they were promised.

    What is uploaded has a name of its own; one that was told to come back sends the same again.
    """

    def __init__(self, addresses: Sequence[str], collection: str, side: int = 48) -> None:
        self._addresses = addresses
        self._collection = collection
        self._side = side
        self._stopping = threading.Event()
        self._guard = threading.Lock()
        self.tallies = {"search": Tally(), "ingest": Tally(), "job": Tally()}
        self.promised: dict[str, str] = {}
        """Names of files by the addresses of the jobs that were acknowledged."""

    @contextmanager
    def running(self, each: int = 2) -> Iterator[None]:
        """Ask all the while; `each` clients of a kind."""
        kinds: tuple[Callable[[httpx.Client, int], None], ...] = (self._search, self._ingest, self._look)
        threads = [threading.Thread(target=self._go_on, args=(kind, number)) for kind in kinds for number in range(each)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            for thread in threads:
                thread.join()

    def _go_on(self, kind: Callable[[httpx.Client, int], None], number: int) -> None:
        address = self._addresses[number % len(self._addresses)]
        with httpx.Client(base_url=address, timeout=HUNG_SECONDS) as client:
            while not self._stopping.is_set():
                kind(client, number)
                time.sleep(PAUSE)

    def _search(self, client: httpx.Client, number: int) -> None:
        files = {"image": ("query.jpg", jpeg_bytes(number, self._side))}
        self._ask("search", lambda: client.post(f"/collections/{self._collection}/search", files=files))

    def _ingest(self, client: httpx.Client, number: int) -> None:
        name = f"{number}-{len(self.promised)}-{time.monotonic_ns()}.jpg"
        data = jpeg_bytes(time.monotonic_ns() % (1 << 31), self._side)
        while not self._stopping.is_set():
            answer = self._ask(
                "ingest", lambda: client.post(f"/collections/{self._collection}/items", files={"files": (name, data)})
            )
            if answer is not None:
                with self._guard:
                    self.promised[answer.headers["location"]] = name
                return
            time.sleep(PAUSE)

    def _look(self, client: httpx.Client, number: int) -> None:
        with self._guard:
            location = next(reversed(self.promised), None)
        if location is not None:
            self._ask("job", lambda: client.get(location))

    def _ask(self, kind: str, ask: Callable[[], httpx.Response]) -> httpx.Response | None:
        """Send a request and count its answer; the answer if it is a success."""
        before = time.monotonic()
        try:
            answer = ask()
        except httpx.HTTPError as error:
            with self._guard:
                self.tallies[kind].note_failure(error, time.monotonic() - before)
            return None
        with self._guard:
            return answer if self.tallies[kind].note(answer, time.monotonic() - before) else None
