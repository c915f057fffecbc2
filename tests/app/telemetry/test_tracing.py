"""Traces over OTLP to a real receiver: one trace from the request through its job."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from app.errors import ConfigError
from app.telemetry.tracing import configure_tracing, span
from tests.support.pictures import striped
from tests.support.process import ServeProcess

trace_service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2", reason="needs the extra otel")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@contextmanager
def receiver() -> Iterator[tuple[str, list[bytes]]]:
    """The address of a server that takes what OTLP exporters post, and what came."""
    came: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", came
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_trace_goes_from_the_request_into_the_job(tmp_path: Path) -> None:
    with receiver() as (url, came):
        with ServeProcess(tmp_path / "home", OTEL_EXPORTER_OTLP_ENDPOINT=url, OTEL_SERVICE_NAME="dyad-test") as running:
            running.client.post("/collections", json={"id": "tiles", "model": "hog"})
            files = [("files", ("a.png", striped(0, size=64)))]
            job = running.client.post("/collections/tiles/items", files=files, headers={"traceparent": PARENT}).json()["id"]
            running.client.get(f"/jobs/{job}/events")
            item = running.client.get("/collections/tiles/items").json()["features"][0]["id"]
            assert running.client.get(f"/collections/tiles/search?item={item}").status_code == 200
        requests = [trace_service.ExportTraceServiceRequest.FromString(body) for body in came]
    resources = [resource for request in requests for resource in request.resource_spans]
    assert "dyad-test" in {a.value.string_value for r in resources for a in r.resource.attributes if a.key == "service.name"}
    spans = {each.name: each for r in resources for scope in r.scope_spans for each in scope.spans}
    posted, ran = spans["POST /collections/{collection_id}/items"], spans["job ingest"]
    assert posted.trace_id.hex() == ran.trace_id.hex() == TRACE
    assert ran.parent_span_id == posted.span_id
    searched = spans["GET /collections/{collection_id}/search"]
    assert spans["search.search"].trace_id == searched.trace_id != posted.trace_id


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://h"},
        {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://h"},
        {"OTEL_SERVICE_NAME": "x"},
    ],
)
def test_nobody_asked_so_nothing_is_sent(environ: dict[str, str]) -> None:
    assert not configure_tracing(environ)
    with span("nothing") as none:
        none.set_attribute("a", 1)
        none.update_name("b")


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "'zipkin' is not supported"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "'grpc' is not supported"),
    ],
)
def test_what_cannot_be_sent_stops_the_start(environ: dict[str, str], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        configure_tracing(environ)
