"""`dyad reindex`: a new index for a collection, of another model or anew."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from app.cli import options
from app.cli.client.connect import open_client
from app.cli.client.follow_job import follow_job
from app.cli.client.values import Document
from app.cli.options import Target
from app.cli.output import notice, print_fields, print_json, say

SHOWN = 20


def reindex(
    collection: options.CollectionId,
    model: options.Model = None,
    margin: Annotated[
        float | None, typer.Option(metavar="M", help="Mean average precision that the new index may lose; 0.01 if not given.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Switch whatever the comparison says; leave out tiles whose images are gone.")
    ] = False,
    json: options.JsonFlag = False,
    home: options.Home = None,
    url: options.Url = None,
) -> None:
    """Build a new index beside the live one, compare both, and switch if the new one is not worse.

    Without --model it is of the model that the collection is to have: its own, or the active one where it follows that.

    Examples:

        dyad reindex naip --model dyad-rgb-128

        dyad reindex naip --margin 0.02
    """
    inputs = options.given(collection=collection, model=model, margin=margin, force=force or None)
    with open_client(Target(url, home)) as dyad:
        job = dyad.execute("reindex", inputs)
        result = follow_job(dyad, job["id"], collection, "stopped; the live index is as it was")
    if json:
        print_json(result)
    else:
        print_reindex(collection, result)


def print_reindex(collection: str, result: Document) -> None:
    """What a re-index did, for people."""
    for tile in result["left_out"][:SHOWN]:
        notice(f"left out {tile['source']}: {tile['reason']}")
    if len(result["left_out"]) > SHOWN:
        notice(f"left out {len(result['left_out']) - SHOWN} more")
    before, now = result["previous_version"], result["index_version"]
    say(f"{collection}: {f'switched from {before} to {now}' if result['switched'] else f'keeps {now}'}: {result['reason']}")
    gate, latency = result["gate"], result["gate"].get("latency_ms")
    print_fields(
        {
            "tiles": result["tiles"],
            "made": ", ".join(f"{result[way]} {way}" for way in ("copied", "projected", "embedded") if result[way]),
            "golden queries": gate.get("golden_queries"),
            "recent queries": gate.get("recent_queries"),
            "overlap at 10": _either(gate.get("overlap_at_10"), gate.get("recent_overlap_at_10")),
            "latency": latency and f"{latency['old']:.1f} ms before, {latency['new']:.1f} ms now",
        }
    )


def _either(golden: Any, recent: Any) -> str:
    shown = {"golden": golden, "recent": recent}
    return ", ".join(f"{value:.2f} ({name})" for name, value in shown.items() if value is not None)
