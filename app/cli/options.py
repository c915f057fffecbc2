"""Options that several commands share, and their parsers. A value that cannot be parsed is wrong usage (exit code 2)."""

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
    typer.Option("--url", metavar="URL", help="Use the service at this address instead of opening the state folder."),
]
Home = Annotated[
    Path | None, typer.Option("--home", metavar="FOLDER", help="State folder. Default: DYAD_HOME, else ./dyad-data.")
]
CollectionId = Annotated[str, typer.Argument(metavar="COLLECTION", help="Identifier of the collection.", show_default=False)]
TileSize = Annotated[
    int | None, typer.Option(metavar="PIXELS", help="Width and height of tiles cut from scenes. Default: 256.")
]
Stride = Annotated[int | None, typer.Option(metavar="PIXELS", help="Distance between tiles. Default: the tile size.")]
Bands = Annotated[
    str | None, typer.Option(metavar="B,B,...", help="Bands to use, in order: numbers (the first is 1) or names.")
]
ScalingText = Annotated[
    str | None,
    typer.Option(
        "--scaling",
        metavar="METHOD",
        help="Conversion to 0..255: auto, none, range:LOW,HIGH, percentile[:LOW,HIGH], reflectance[:scale=S,offset=O].",
    ),
]
Model = Annotated[
    str | None, typer.Option(metavar="ID", help="Embedding model; `dyad models list` lists the models and their licences.")
]

Bbox = Annotated[str | None, typer.Option(metavar="W,S,E,N", help="Only what intersects this bounding box (WGS 84).")]
Datetime = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Only what is of this time or interval, e.g. 2020-01-01/2020-12-31 or 2020-06-01/.."),
]
Filter = Annotated[
    str | None, typer.Option("--filter", metavar="CQL2", help="Only what this filter accepts, e.g. 'gsd < 10'; also CQL2 JSON.")
]
StacCollections = Annotated[
    str | None, typer.Option("--collections", metavar="ID,ID,...", help="With --stac: only items of these STAC collections.")
]


@dataclass(frozen=True, slots=True)
class Target:
    """The state that a command uses: of a service, or a folder."""

    url: str | None = None
    home: Path | None = None

    def __post_init__(self) -> None:
        if self.url is not None and self.home is not None:
            raise typer.BadParameter("--url and --home cannot be combined; pass one of them")
        if self.url is not None and not self.url.startswith(("http://", "https://")):
            raise typer.BadParameter(
                f"{self.url!r} is not a valid address; pass for example http://127.0.0.1:8000", param_hint="--url"
            )

    def as_options(self) -> str:
        """The target as shell options, each after a space."""
        given = {"--url": self.url, "--home": self.home}
        return "".join(f" {name} {shlex.quote(str(value))}" for name, value in given.items() if value is not None)


def parse_list(text: str | None) -> list[str]:
    """The non-empty items of a comma-separated text."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def parse_bands(text: str | None) -> list[int | str] | None:
    """Bands in the form of the API: numbers are 1-based indexes, other texts are names."""
    return [int(part) if part.isdecimal() else part for part in parse_list(text)] or None


def parse_bbox(text: str | None) -> list[float] | None:
    """Parse west,south,east,north in degrees (WGS 84).

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
            f"{text!r} is not a valid bounding box; pass west,south,east,north in degrees, e.g. -120.5,36.0,-120.0,36.5",
            param_hint="--bbox",
        )
    return numbers


def parse_point(text: str | None) -> list[float] | None:
    """Parse longitude,latitude in degrees (WGS 84).

    Raises:
        typer.BadParameter: not two numbers.
    """
    if text is None:
        return None
    try:
        lon, lat = (float(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a valid point; pass longitude,latitude in degrees, e.g. 13.4,52.5", param_hint="--point"
        ) from None
    return [lon, lat]


def parse_filter(text: str | None) -> str | dict[str, Any] | None:
    """A filter in the form of the API: text, or an object if it is CQL2 JSON.

    Raises:
        typer.BadParameter: it starts like JSON and is not.
    """
    if text is None or not text.lstrip().startswith("{"):
        return text
    try:
        return dict(json.loads(text))
    except ValueError:
        raise typer.BadParameter(f"{text[:100]!r} is not valid JSON", param_hint="--filter") from None


def stac_selection(collections: str | None, bbox: str | None, datetime: str | None, filter: str | None) -> dict[str, Any]:
    """Which items of a STAC source are taken, in the form of the API."""
    return given(
        collections=parse_list(collections) or None, bbox=parse_bbox(bbox), datetime=datetime, filter=parse_filter(filter)
    )


def parse_scaling(text: str | None) -> dict[str, Any] | None:
    """Parse `METHOD[:LOW,HIGH | :key=value,...]`, or a JSON object.

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
            f"{text!r} is not a valid scaling; pass for example range:0,3000", param_hint="--scaling"
        ) from None
    return values


def given(**settings: Any) -> dict[str, Any]:
    """The settings that are not None, that is, that the user passed."""
    return {name: value for name, value in settings.items() if value is not None}
