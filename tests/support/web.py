"""Small real web servers on addresses of this machine, which note what they are asked."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What a path is answered with; `headers` replace the usual ones. ranges: parts of it are sent if they are requested."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    ranges: bool = False

    def part(self, header: str | None) -> Answer:
        """What a request with this Range header is answered with."""
        if header is None or not self.ranges:
            return self
        first, last = (int(number) for number in header.removeprefix("bytes=").split("-"))
        body = self.body[first : last + 1]
        place = f"bytes {first}-{first + len(body) - 1}/{len(self.body)}"
        return Answer(body, 206, {**self.headers, "Content-Range": place})


@dataclass
class WebServer:
    """asked: method, path and Host header of every request so far. posted: path, media type and body of every POST request.
    sent: bytes of bodies by path.

    Answers may be added while it runs.
    """

    host: str
    port: int
    answers: dict[str, Answer]
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    posted: list[tuple[str, str, bytes]] = field(default_factory=list)
    sent: dict[str, int] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


@contextmanager
def web_server(answers: Mapping[str, Answer | bytes], host: str = "127.0.0.1", port: int = 0) -> Iterator[WebServer]:
    """Serve `answers` by path; anything else is 404."""
    known = {path: answer if isinstance(answer, Answer) else Answer(answer) for path, answer in answers.items()}
    web = WebServer(host, port, known)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            web.asked.append((self.command, self.path, self.headers["Host"]))
            answer = web.answers.get(self.path, Answer(b"nothing", 404)).part(self.headers["Range"])
            web.sent[self.path] = web.sent.get(self.path, 0) + len(answer.body)
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)
            self.close_connection = "Content-Length" in answer.headers  # a length that lies leaves the connection unusable

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            web.posted.append((self.path, self.headers["Content-Type"], body))
            self.do_GET()

        def do_HEAD(self) -> None:
            web.asked.append((self.command, self.path, self.headers["Host"]))
            answer = web.answers.get(self.path, Answer(b"nothing", 404))
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        daemon_threads = True

    server = Server((host, port), Handler)
    web.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="web")
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def endless_server() -> Iterator[str]:
    """The address of a server whose files come a byte every few milliseconds, and never end."""
    over = threading.Event()

    def serve(listening: socket.socket) -> None:
        while not over.is_set():
            connection, _ = listening.accept()
            with connection, suppress(OSError):  # it was hung up on
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
                while not over.is_set():
                    connection.sendall(b"x")
                    time.sleep(0.005)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        thread = threading.Thread(target=serve, args=(listening,), name="endless")
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            over.set()
            socket.create_connection(("127.0.0.1", port)).close()
            thread.join()
