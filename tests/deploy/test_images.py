"""The Dockerfiles and what travels to the builder; the images themselves are built where Docker is."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMAGES = ("Dockerfile", "Dockerfile.gpu")


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_runs_as_nobody_special(name: str) -> None:
    lines = (ROOT / name).read_text().splitlines()
    last = max(number for number, line in enumerate(lines) if line.startswith("FROM "))
    assert "USER 10001:10001" in lines[last:]
    assert any(line.startswith("CMD [") for line in lines[last:]), "in exec form, so that signals reach it"


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_installs_what_is_locked_of_extras_that_there_are(name: str) -> None:
    text = (ROOT / name).read_text()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    installs = [line for line in text.replace("\\\n", " ").splitlines() if "pip install" in line]
    assert installs
    assert all("-c constraints.txt" in line for line in installs)
    named = text.split('".[', 1)[1].split(']"', 1)[0].split(",")
    assert set(named) <= set(extras)
    assert ("train" in named) == (name == "Dockerfile.gpu"), "torch is in the GPU image alone"


@pytest.mark.parametrize("name", IMAGES)
def test_what_an_image_copies_travels_to_the_builder(name: str) -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[1] == "*"
    allowed = {line[1:] for line in ignored if line.startswith("!")}
    for line in (ROOT / name).read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert source in allowed, source
                assert (ROOT / source).exists(), source


def test_what_the_build_reads_travels_too() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = {project["project"]["readme"], *project["project"]["license-files"]}
    needed |= set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert needed <= {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
