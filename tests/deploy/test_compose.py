"""docker-compose.yml: valid by the Compose Specification, and the properties that this project requires of its services."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from ruamel.yaml import YAML

from app.cli.command_tree import build
from app.settings import load_settings
from tests.deploy.dockerfile import base_images, read_stages

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
OURS = ("api", "worker-cpu", "worker-gpu", "beat", "keys")
SECRETS = ("REDIS_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY", "METRICS_KEY", "GRAFANA_PASSWORD")
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(json.dumps(YAML(typ="safe").load(FILE)))
    return loaded


def filled(value: str) -> str:
    """A value as Compose fills it in: defaults where there are some, `secret` where it must be given."""
    return VARIABLE.sub(lambda found: found[3] if found[2] == "-" else "secret", value)


def check_form(file: Path) -> subprocess.CompletedProcess[str]:
    """Against the Compose Specification's own schema, which comes with the checker: no network."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_is_of_the_form_of_the_compose_specification(tmp_path: Path) -> None:
    done = check_form(FILE)
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text(FILE.read_text().replace("healthcheck:", "health_check:"))
    assert "health_check" in check_form(wrong).stdout, "a misspelt key is found"


def test_compose_itself_takes_it(tmp_path: Path) -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the plugin `docker compose`")
    env = tmp_path / "env"
    env.write_text("".join(f"{name}=secret\n" for name in SECRETS))
    profiles = [f"--profile={name}" for name in ("gpu", "three", "monitoring", "tools")]
    command = [docker, "compose", "--file", str(FILE), "--env-file", str(env), *profiles, "config", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_image_is_pinned(compose: dict[str, Any]) -> None:
    images = {service["image"] for service in compose["services"].values()}
    bases = {image for name in ("Dockerfile", "Dockerfile.gpu") for image in base_images(read_stages(ROOT / name))}
    for image in (images | bases) - {"dyad:${DYAD_TAG:-local}", "dyad-gpu:${DYAD_TAG:-local}"}:
        assert re.search(r":v?\d+\.\d+", image), f"{image} has no version"


@pytest.mark.parametrize("name", OURS)
def test_our_containers_may_do_little(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    assert service["user"] == "10001:10001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_what_is_read_only_is_given_no_file_that_compose_writes_into_it(compose: dict[str, Any]) -> None:
    """Compose copies configs and secrets of its own making into the container, which a read-only one refuses."""
    for name, service in compose["services"].items():
        if service.get("read_only"):
            assert not service.get("configs"), name
            assert not service.get("secrets"), name


@pytest.mark.parametrize("name", OURS)
def test_the_settings_are_ones_that_dyad_takes(compose: dict[str, Any], name: str) -> None:
    given = {key: filled(value) for key, value in compose["services"][name]["environment"].items()}
    load_settings({key: value for key, value in given.items() if key.startswith("DYAD_")})


def test_the_commands_are_ones_that_dyad_has(compose: dict[str, Any]) -> None:
    typer_app = typer.main.get_command(build())
    for name in OURS:
        service = compose["services"][name]
        program, command, *options = service.get("entrypoint", service.get("command"))
        assert program == "dyad"
        known = getattr(typer_app, "commands")[command]  # noqa: B009 - typer gives it no type
        flags = {flag for each in known.params for flag in each.opts}
        assert {option for option in options if option.startswith("--")} <= flags


def test_only_the_api_and_grafana_can_be_reached_and_only_from_this_machine(compose: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert set(published) == {"api", "grafana"}
    assert all(filled(port).startswith("127.0.0.1:") for ports in published.values() for port in ports)
    assert compose["networks"]["back"] == {"internal": True}
    for name in ("redis", "qdrant", "qdrant-2", "qdrant-3", "s3"):
        assert compose["services"][name]["networks"] == ["back"]


def test_no_secret_has_a_value_in_the_file(compose: dict[str, Any]) -> None:
    text = FILE.read_text()
    for name in SECRETS[:3]:
        assert all(found[2] == "?" for found in VARIABLE.finditer(text) if found[1] == name), f"{name} must be demanded"
    assert {secret["environment"] for secret in compose["secrets"].values()} == set(SECRETS[3:])
    example = dict(line.split("=", 1) for line in (ROOT / ".env.example").read_text().splitlines() if "=" in line)
    assert example == dict.fromkeys(SECRETS, "")
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_worker_on_a_gpu_reserves_one_and_runs_on_it(compose: dict[str, Any]) -> None:
    worker = compose["services"]["worker-gpu"]
    (device,) = worker["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    assert worker["build"]["dockerfile"] == "Dockerfile.gpu"
    assert worker["command"][-2:] == ["--device", "cuda:0"]


def test_redis_keeps_what_it_acknowledged(compose: dict[str, Any]) -> None:
    command = compose["services"]["redis"]["command"]
    settings = dict(zip(command[1::2], command[2::2], strict=True))
    assert settings["--appendonly"] == "yes"
    assert settings["--maxmemory-policy"] == "noeviction"


def test_everybody_waits_for_servers_that_say_when_they_are_ready(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name in ("api", "worker-cpu", "worker-gpu", "beat"):
        for part, how in services[name]["depends_on"].items():
            if how["condition"] == "service_healthy":
                assert "test" in services[part]["healthcheck"], part
    assert "healthz" in services["api"]["healthcheck"]["test"][-1]


def test_files_and_volumes_that_it_names_are_there(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (ROOT / source).exists() if source.startswith("./") else source in compose["volumes"], f"{name}: {volume}"
