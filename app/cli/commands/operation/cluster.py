"""`dyad cluster`: sizing of a cluster."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from app.cli import options
from app.cli.output import print_fields, print_json, print_table, say
from app.cluster.plan import DIMENSION, FEATURE, PAIR, Line, Need, Plan, grouped, human, plan
from app.cluster.simulate import Simulation, Workers, simulate

WORKERS = Workers()
"""The defaults."""


def build() -> typer.Typer:
    """The group."""
    group = typer.Typer(help="Plan the size of a cluster.", no_args_is_help=True)
    group.callback()(lambda: None)
    group.command("plan")(plan_command)
    return group


def plan_command(
    tiles: Annotated[str, typer.Option(metavar="N", help="Number of tiles, e.g. 1e9 or 250_000.")],
    dimension: Annotated[int, typer.Option(help="Dimension of the embedding.")] = DIMENSION,
    feature: Annotated[int, typer.Option(help="Values of the backbone output stored with each tile.")] = FEATURE,
    pair: Annotated[
        int, typer.Option(help="Values of the candidate features stored with each tile; 0 without a matcher.")
    ] = PAIR,
    replicas: Annotated[int, typer.Option(help="Number of copies of all data.")] = 2,
    in_memory: Annotated[bool, typer.Option("--in-memory", help="Keep the full-precision vectors in memory, too.")] = False,
    node_memory: Annotated[float, typer.Option(metavar="GB", help="Memory of one node.")] = 128,
    node_disk: Annotated[float, typer.Option(metavar="GB", help="Disk of one node.")] = 4000,
    node_cores: Annotated[int, typer.Option(help="Processor cores of one node.")] = WORKERS.cores,
    gpus: Annotated[int, typer.Option(help="Number of GPUs that embed tiles.")] = WORKERS.gpus,
    gpu_rate: Annotated[
        float, typer.Option(metavar="N", help="Tiles a second of one GPU, as `make bench-gpu` measures them.")
    ] = WORKERS.gpu_rate,
    json: options.JsonFlag = False,
) -> None:
    """Print the memory, disk, shards and nodes that Qdrant needs for a number of tiles, with the arithmetic and its sources.

    Then simulate the hours of a re-index and the time of searches by their filter. Images are in the object store and are not
    counted.

    Example: dyad cluster plan --tiles 1e9 --gpus 16
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
    work = simulate(need, made, Workers(gpus, gpu_rate, node_cores))
    if json:
        print_json({"need": asdict(need), **asdict(made), "simulation": asdict(work)})
        return
    _print_plan(made)
    _print_simulation(work)


def _print_plan(made: Plan) -> None:
    _print_lines(made.lines)
    print_fields({"memory": human(made.memory), "disk": human(made.disk), "shards": made.shards, "nodes": made.nodes})
    say("")
    for name, value in made.settings.items():
        say(f"{name}={value}")


def _print_simulation(work: Simulation) -> None:
    say("\nA re-index of all tiles")
    _print_lines(work.reindex)
    print_fields({"hours": f"{work.hours:.1f}", "hours with a new head only": f"{work.head_hours:.1f}"})
    say("\nSearches: simulated times until the slowest shard has answered, without the network")
    columns = ["filter", "tiles that qualify", "method", "p50, ms", "p99, ms", "searches/s"]
    rows = [
        (each.what, grouped(each.qualify), each.method, f"{each.p50:.1f}", f"{each.p99:.1f}", f"{each.rate:.0f}")
        for each in work.searches
    ]
    print_table(columns, rows, right=[columns[1], *columns[3:]])


def _print_lines(lines: list[Line]) -> None:
    rows = [(line.what, line.formula, _amount(line), line.source) for line in lines]
    print_table(["", "arithmetic", "result", "source"], rows, right=["result"])
    say("")


def _amount(line: Line) -> str | int:
    if line.unit == "bytes":
        return human(line.amount)
    return f"{line.amount / 3600:.1f} h" if line.unit == "seconds" else line.amount


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
