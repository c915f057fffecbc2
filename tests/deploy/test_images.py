"""The instructions of the Dockerfiles, and the files that Docker sends to the builder. The images are built where Docker is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from app.settings import load_settings
from tests.deploy.dockerfile import Stage, base_images, read_stages

ROOT = Path(__file__).parents[2]
IMAGES = ("Dockerfile", "Dockerfile.gpu")


def pip_installs(stages: list[Stage]) -> list[list[str]]:
    """The words of every `pip install` command."""
    runs = [run for stage in stages for run in stage.all("RUN")]
    return [words for run in runs for words in run.commands if words[0].endswith("pip") and words[1] == "install"]


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def sent_to_the_builder() -> set[str]:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[1] == "*"
    return {line[1:] for line in ignored if line.startswith("!")}


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_runs_as_nobody_special(name: str) -> None:
    final = read_stages(ROOT / name)[-1]
    assert final.last("USER").text == "10001:10001"
    assert final.instructions.index(final.last("USER")) > max(final.instructions.index(run) for run in final.all("RUN"))
    program, *_ = final.last("CMD").exec_form or []
    assert program == "dyad", "in exec form, so that signals reach it"
    assert final.last("STOPSIGNAL").text == "SIGTERM"


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_installs_what_is_locked_of_extras_that_there_are(name: str) -> None:
    installs = pip_installs(read_stages(ROOT / name))
    assert installs
    for words in installs:
        assert words[words.index("-c") + 1] == "constraints.txt", words
    found = [re.fullmatch(r"\.\[(.+)\]", word) for words in installs for word in words]
    named = {extra for extras in found if extras for extra in extras[1].split(",")}
    assert named
    assert named <= set(project()["project"]["optional-dependencies"])
    assert ("train" in named) == (name == "Dockerfile.gpu"), "torch is in the GPU image alone"


@pytest.mark.parametrize("name", IMAGES)
def test_what_an_image_copies_travels_to_the_builder(name: str) -> None:
    stages = read_stages(ROOT / name)
    for stage in stages:
        for copy in stage.all("COPY"):
            if "from" in copy.flags:
                assert copy.flags["from"] in {each.name for each in stages}
                continue
            for source in copy.words[:-1]:
                assert source in sent_to_the_builder(), source
                assert (ROOT / source).exists(), source


@pytest.mark.parametrize("name", IMAGES)
def test_the_build_stage_stays_behind_and_its_environment_is_copied(name: str) -> None:
    final = read_stages(ROOT / name)[-1]
    (copy,) = final.all("COPY")
    assert copy.flags["from"] == "build"
    source, target = copy.words
    assert source == target
    assert final.environment()["PATH"].startswith(f"{target}/bin:")
    assert not pip_installs([final])


@pytest.mark.parametrize("name", IMAGES)
def test_the_settings_of_an_image_are_ones_that_dyad_takes(name: str) -> None:
    final = read_stages(ROOT / name)[-1]
    settings = load_settings({key: value for key, value in final.environment().items() if key.startswith("DYAD_")})
    assert str(settings.home) == final.last("VOLUME").text == final.last("WORKDIR").text
    assert settings.log_format == "json"
    if name == "Dockerfile":
        assert final.last("EXPOSE").text == str(settings.port)


@pytest.mark.parametrize("name", IMAGES)
def test_base_images_have_a_version(name: str) -> None:
    for image in base_images(read_stages(ROOT / name)):
        assert re.search(r":\d+\.\d+", image), f"{image} has no version"


def test_what_the_build_reads_travels_too() -> None:
    meta = project()
    needed = {meta["project"]["readme"], *meta["project"]["license-files"]}
    needed |= set(meta["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert needed <= sent_to_the_builder()
