"""`dyad cluster`: sizing of a cluster."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from app.cli import options
from app.cli.output import print_fields, print_json, print_table, say
from app.cluster.plan import Need, human, plan


def build() -> typer.Typer:
    """The group."""
    group = typer.Typer(help="Plan the size of a cluster.", no_args_is_help=True)
    group.callback()(lambda: None)
    group.command("plan")(plan_command)
    return group


def plan_command(
    tiles: Annotated[str, typer.Option(metavar="N", help="Number of tiles, e.g. 1e9 or 250_000.")],
    dimension: Annotated[int, typer.Option(help="Dimension of the embedding.")] = 128,
    feature: Annotated[int, typer.Option(help="Values of the backbone output stored with each tile.")] = 512,
    pair: Annotated[
        int, typer.Option(help="Values of the candidate features stored with each tile; 0 without a matcher.")
    ] = 4096,
    replicas: Annotated[int, typer.Option(help="Number of copies of all data.")] = 2,
    in_memory: Annotated[bool, typer.Option("--in-memory", help="Keep the full-precision vectors in memory, too.")] = False,
    node_memory: Annotated[float, typer.Option(metavar="GB", help="Memory of one node.")] = 128,
    node_disk: Annotated[float, typer.Option(metavar="GB", help="Disk of one node.")] = 4000,
    json: options.JsonFlag = False,
) -> None:
    """Print the memory, disk, shards and nodes that Qdrant needs for a number of tiles, with the arithmetic and its sources.

    Images are in the object store and are not counted.

    Example: dyad cluster plan --tiles 1e9
    """
    need = Need(
        tiles=_number(tiles),
        dimension=dimension,
        feature=feature,
        pair=pair,
        replicas=replicas,
        is_on_disk=not in_memory,
        node_memory=round(node_memory * 1e9),
        node_disk=round(node_disk * 1e9),
    )
    made = plan(need)
    if json:
        print_json({"need": asdict(need), **asdict(made)})
        return
    rows = [
        (line.what, line.formula, human(line.amount) if line.unit == "bytes" else line.amount, line.source)
        for line in made.lines
    ]
    print_table(["", "arithmetic", "result", "source"], rows, right=["result"])
    say("")
    print_fields({"memory": human(made.memory), "disk": human(made.disk), "shards": made.shards, "nodes": made.nodes})
    say("")
    for name, value in made.settings.items():
        say(f"{name}={value}")


def _number(text: str) -> int:
    try:
        value = float(text.replace("_", ""))
        if not 1 <= value <= 1e15:
            raise ValueError
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a valid number of tiles; pass for example 1e9 or 250000", param_hint="--tiles"
        ) from None
    return round(value)
