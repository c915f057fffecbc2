"""A reader of Dockerfiles: their instructions, by stage."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple


class Instruction(NamedTuple):
    """An instruction: its name in upper case, its flags (`--from=build` is `from: build`) and the rest of its text."""

    name: str
    flags: dict[str, str]
    text: str

    @property
    def words(self) -> list[str]:
        """The arguments, without quotes."""
        return shlex.split(self.text)

    @property
    def exec_form(self) -> list[str] | None:
        """The arguments of the exec form (a JSON list); None for the shell form."""
        return json.loads(self.text) if self.text.startswith("[") else None

    @property
    def commands(self) -> list[list[str]]:
        """The commands that RUN chains with `&&`, each as words."""
        return [shlex.split(command) for command in self.text.split("&&")]


@dataclass
class Stage:
    """A build stage. base: the image or the earlier stage that it starts from."""

    base: str
    name: str | None
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, name: str) -> list[Instruction]:
        return [each for each in self.instructions if each.name == name]

    def last(self, name: str) -> Instruction:
        return self.all(name)[-1]

    def environment(self) -> dict[str, str]:
        """The variables that ENV sets."""
        return dict(pair.split("=", 1) for each in self.all("ENV") for pair in each.words)


def read_stages(path: Path) -> list[Stage]:
    """The stages of a Dockerfile in their order."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    stages: list[Stage] = []
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        if not line.strip():
            continue
        name, _, text = line.strip().partition(" ")
        flags = {}
        while found := re.match(r"--([a-z]+)=(\S+)\s+", text):
            flags[found[1]], text = found[2], text[found.end() :]
        if name.upper() == "FROM":
            base, *alias = text.split()
            stages.append(Stage(base, alias[1] if alias else None))
        else:
            stages[-1].instructions.append(Instruction(name.upper(), flags, text.strip()))
    return stages


def base_images(stages: list[Stage]) -> set[str]:
    """The images that are pulled: bases that are no earlier stages."""
    names = {stage.name for stage in stages}
    return {stage.base for stage in stages if stage.base not in names}
