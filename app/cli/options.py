"""Options that several commands share, and how their texts are read. What cannot be understood is wrong usage (exit code 2)."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")]
Url = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="Talk to the service at this address instead of opening the state folder."),
]
Home = Annotated[
    Path | None, typer.Option("--home", metavar="FOLDER", help="State folder; DYAD_HOME, or ./dyad-data, if not given.")
]
CollectionId = Annotated[str, typer.Argument(metavar="COLLECTION", help="Id of the collection.", show_default=False)]
TileSize = Annotated[int | None, typer.Option(metavar="PIXELS", help="Edge of the tiles cut from scenes; 256 if not given.")]
Stride = Annotated[int | None, typer.Option(metavar="PIXELS", help="Step between tiles; the tile size if not given.")]
Bands = Annotated[str | None, typer.Option(metavar="B,B,...", help="Bands to use, in order: 1-based indexes or names.")]
ScalingText = Annotated[
    str | None,
    typer.Option(
        "--scaling",
        metavar="METHOD",
        help="How raw values become 0..255: auto, none, range:LOW,HIGH, percentile[:LOW,HIGH], reflectance[:scale=S,offset=O].",
    ),
]
Model = Annotated[str | None, typer.Option(metavar="ID", help="Model that embeds the tiles; see `dyad models list`.")]


@dataclass(frozen=True, slots=True)
class Target:
    """Which state a command works on: a service's, or a folder's."""

    url: str | None = None
    home: Path | None = None

    def __post_init__(self) -> None:
        if self.url is not None and self.home is not None:
            raise typer.BadParameter("--url and --home contradict each other; give one of them")
        if self.url is not None and not self.url.startswith(("http://", "https://")):
            raise typer.BadParameter(f"{self.url!r} is no address; write it as http://127.0.0.1:8000", param_hint="--url")

    def as_options(self) -> str:
        """The options that mean the same target in a shell, each after a space."""
        given = {"--url": self.url, "--home": self.home}
        return "".join(f" {name} {shlex.quote(str(value))}" for name, value in given.items() if value is not None)


def parse_list(text: str | None) -> list[str]:
    """The non-empty parts of a comma-separated text."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def parse_bands(text: str | None) -> list[int | str] | None:
    """Bands as the service takes them: numbers are 1-based indexes, anything else is a name."""
    return [int(part) if part.isdecimal() else part for part in parse_list(text)] or None


def parse_bbox(text: str | None) -> list[float] | None:
    """west,south,east,north in degrees (WGS 84).

    Raises:
        typer.BadParameter: not four numbers.
    """
    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 4:
        raise typer.BadParameter(
            f"{text!r}: write west,south,east,north in degrees, as in -120.5,36.0,-120.0,36.5", param_hint="--bbox"
        )
    return numbers


def parse_scaling(text: str | None) -> dict[str, Any] | None:
    """`METHOD[:LOW,HIGH | :key=value,...]`, or the JSON object itself.

    Raises:
        typer.BadParameter: it is neither.
    """
    if text is None:
        return None
    try:
        if text.startswith("{"):
            return dict(json.loads(text))
        method, _, rest = text.partition(":")
        values: dict[str, Any] = {"method": method}
        for key, part in zip(("low", "high"), parse_list(rest), strict=False):
            name, equals, number = part.rpartition("=")
            values[name if equals else key] = float(number)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not understood; write for example range:0,3000", param_hint="--scaling"
        ) from None
    return values


def given(**settings: Any) -> dict[str, Any]:
    """The settings that were given on the command line: all that are not None."""
    return {name: value for name, value in settings.items() if value is not None}
