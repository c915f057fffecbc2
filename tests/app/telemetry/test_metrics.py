"""The metrics of a running service."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from app.domain.jobs import Job
from app.telemetry.gpu import GpuCollector
from tests.support.pictures import striped
from tests.support.service import Service


def values(service: Service) -> dict[str, float]:
    """Every sample by its name and labels."""
    text = service.client.get("/metrics").text
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {"/".join((sample.name, *sample.labels.values())): sample.value for sample in samples}


def test_work_shows(service: Service) -> None:
    before = values(service)
    service.create("work", model="hog")
    files = {"a.png": striped(0, size=64), "b.png": striped(60, size=64), "c.png": b"no picture"}
    item = service.upload("work", files)["item_ids"][0]
    assert service.client.get(f"/collections/work/search?item={item}").status_code == 200
    now = values(service)

    def grown(name: str) -> float:
        return now[name] - before.get(name, 0)

    assert grown("dyad_tiles_indexed_total") == 2
    assert grown("dyad_files_rejected_total") == 1
    assert grown("dyad_job_seconds_count/ingest/successful") == 1
    assert {grown(f"dyad_search_stage_seconds_count/{stage}") for stage in ("decode", "embed", "search", "rerank")} == {1}
    assert grown("dyad_requests_total/GET//collections/{collection_id}/search/200") == 1


def test_a_comparison_shows_its_verdict(service: Service) -> None:
    service.create("judged", model="hog")
    service.upload("judged", {"a.png": striped(0, size=64)})
    name = "dyad_gate_verdicts_total/passed"
    before = values(service).get(name, 0)
    begun = service.client.post("/processes/reindex/execution", json={"inputs": {"collection": "judged", "model": "lbp-rgb"}})
    service.results(begun)
    assert values(service)[name] == before + 1


def test_jobs_that_wait_show_by_kind(service: Service) -> None:
    store, now = service.container.job_store, datetime.now(UTC)
    store.create(Job(id="waiting", kind="nobody-does-this", created=now, updated=now))
    try:
        assert values(service)["dyad_jobs/nobody-does-this/accepted"] == 1
    finally:
        store.delete("waiting")


def test_cards_show_where_there_are_any(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for NVIDIA's library, which needs its driver; the names are the library's."""
    library = SimpleNamespace(
        NVMLError=RuntimeError,
        nvmlInit=lambda: None,
        nvmlShutdown=lambda: None,
        nvmlDeviceGetCount=lambda: 2,
        nvmlDeviceGetHandleByIndex=lambda number: number,
        nvmlDeviceGetMemoryInfo=lambda card: SimpleNamespace(used=card, total=10),
        nvmlDeviceGetUtilizationRates=lambda card: SimpleNamespace(gpu=50 * card),
    )
    monkeypatch.setitem(sys.modules, "pynvml", library)
    monkeypatch.setattr("app.telemetry.gpu.find_spec", lambda name: object())
    registry = CollectorRegistry()
    registry.register(GpuCollector())
    text = generate_latest(registry).decode()
    assert 'dyad_gpu_busy_ratio{gpu="1"} 0.5' in text
    assert 'dyad_gpu_memory_total_bytes{gpu="0"} 10.0' in text
