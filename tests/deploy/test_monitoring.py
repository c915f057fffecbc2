"""The targets of Prometheus and the metrics in the Grafana dashboard exist."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from prometheus_client import generate_latest
from ruamel.yaml import YAML

from app.api.middleware.metrics import Metrics
from app.stores.sqlite_jobs import SqliteJobStore
from app.telemetry import gpu
from app.telemetry.metrics import REGISTRY

ROOT = Path(__file__).parents[2]


def load(name: str) -> Any:
    return YAML(typ="safe").load(ROOT / name)


def test_the_dashboard_asks_for_metrics_that_the_service_has(tmp_path: Path) -> None:
    dashboard = json.loads((ROOT / "deploy/grafana/dashboards/dyad.json").read_text())
    asked = {
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in re.findall(r"\bdyad_\w+", target["expr"])
    }
    store = SqliteJobStore(tmp_path / "jobs.sqlite")
    text = (generate_latest(Metrics(store, lambda: {"embed": 1}).registry) + generate_latest(REGISTRY)).decode()
    store.close()
    given = {*re.findall(r"^# TYPE (\w+)", text, re.MULTILINE), *gpu.NAMES}
    assert asked
    shown = {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked}
    assert shown <= given
    own = {name for name in given if name.startswith("dyad_") and not name.endswith("_created")}
    assert own - shown == {"dyad_files_rejected_total", "dyad_gpu_memory_used_bytes", "dyad_gpu_memory_total_bytes"}


def test_prometheus_asks_services_that_compose_has() -> None:
    services = load("docker-compose.yml")["services"]
    for job in load("deploy/prometheus.yml")["scrape_configs"]:
        for target in job["dns_sd_configs"]:
            assert set(target["names"]) <= set(services)


def test_grafana_reads_the_dashboard_from_the_repository_and_the_figures_from_prometheus() -> None:
    (source,) = load("deploy/grafana/provisioning/datasources/prometheus.yml")["datasources"]
    (provider,) = load("deploy/grafana/provisioning/dashboards/dyad.yml")["providers"]
    grafana = load("docker-compose.yml")["services"]["grafana"]
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in grafana["volumes"]
    dashboard = json.loads((ROOT / "deploy/grafana/dashboards/dyad.json").read_text())
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {source["uid"]}
