"""IDs of requests and jobs in every log line."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import pytest

from app.domain.origin import coming_from
from app.telemetry.logs import JsonFormatter, OriginFilter, SecretsFilter, TextFormatter
from tests.support.pictures import striped
from tests.support.process import ServeProcess
from tests.support.service import Service


def record() -> logging.LogRecord:
    made = logging.LogRecord("app.x", logging.INFO, "x.py", 1, "said %s", ("it",), None)
    OriginFilter().filter(made)
    return made


def test_a_line_has_the_ids_of_its_work() -> None:
    with coming_from(request_id="r1", job_id="j1", traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01"):
        line = json.loads(JsonFormatter().format(record()))
        text = TextFormatter().format(record())
    assert (line["message"], line["request_id"], line["job_id"], line["trace_id"]) == ("said it", "r1", "j1", "a" * 32)
    assert text.endswith(f"INFO app.x: said it [request_id=r1 job_id=j1 trace_id={'a' * 32}]")


def test_without_ids_nothing_is_said_of_them() -> None:
    assert set(json.loads(JsonFormatter().format(record()))) == {"time", "level", "logger", "message"}
    assert TextFormatter().format(record()).endswith("INFO app.x: said it")


def test_the_log_of_requests_has_no_secrets_of_addresses() -> None:
    address = "/collections?limit=5&api_key=dyad_abc&token=page-2&signature=s%2F1&x=1"
    made = logging.LogRecord("uvicorn.access", logging.INFO, "x", 1, '%s - "%s %s" %d', ("me", "GET", address, 200), None)
    assert SecretsFilter().filter(made)
    assert made.getMessage() == 'me - "GET /collections?limit=5&api_key=...&token=page-2&signature=...&x=1" 200'


@pytest.mark.parametrize("given", ["mine-1", None, "not an id", "x" * 65])
def test_every_answer_names_its_request(service: Service, given: str | None) -> None:
    answer = service.client.get("/nowhere", headers={} if given is None else {"X-Request-ID": given})
    told = answer.headers["x-request-id"]
    assert told == given if given == "mine-1" else re.fullmatch("[0-9a-f]{32}", told)


def test_a_request_is_followed_from_the_api_into_its_job(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with ServeProcess(tmp_path / "home", log, DYAD_LOG_FORMAT="json") as running:
        running.client.post("/collections", json={"id": "tiles", "model": "hog"})
        answer = running.client.post(
            "/collections/tiles/items", files=[("files", ("a.png", striped(0, size=64)))], headers={"X-Request-ID": "mine-2"}
        )
        job = answer.json()["id"]
        running.client.get(f"/jobs/{job}/events")
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    ours = [line for line in lines if line.get("request_id") == "mine-2"]
    assert any(line["logger"] == "uvicorn.access" and "job_id" not in line for line in ours)
    assert [line["message"].split()[:2] for line in ours if line.get("job_id") == job] == [
        ["ingest", "of"],
        ["ingest", "ended"],
    ]
