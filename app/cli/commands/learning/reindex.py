"""`dyad reindex`: build a new index for a collection."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from app.cli import options
from app.cli.client.connect import open_client
from app.cli.client.follow_job import follow_job
from app.cli.commands.learning.model_terms import find_model, licence_of
from app.cli.options import Target
from app.cli.output import notice, print_fields, print_json, say
from app.client.core import Document

SHOWN = 20


def reindex(
    collection: options.CollectionId,
    model: options.Model = None,
    margin: Annotated[
        float | None, typer.Option(metavar="M", help="Largest accepted loss of mean average precision. Default: 0.01.")
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Switch if worse or not comparable, too; omit tiles whose images are missing."),
    ] = False,
    json: options.JsonFlag = False,
    home: options.Home = None,
    url: options.Url = None,
) -> None:
    """Build a new index, compare it with the current one, and switch on evidence that it is not worse.

    A model that learned from the labels of the collection must be better. Without enough evidence the new index is kept as a
    candidate: `dyad collections rollback COLLECTION --version VERSION` switches to it anyway.

    Without --model it uses the model of the collection, or the active model if the collection follows it.

    Examples:

        dyad reindex naip --model dyad-rgb

        dyad reindex naip --margin 0.02
    """
    inputs = options.given(collection=collection, model=model, margin=margin, force=force or None)
    with open_client(Target(url, home)) as dyad:
        job = dyad.start("reindex", **inputs)
        result = follow_job(dyad, job["id"], collection, "stopped: the current index is unchanged")
        used = None if json else find_model(dyad, result["index_version"].rpartition(".")[0])
    if json:
        print_json(result)
    else:
        print_reindex(collection, result)
        print_fields({"model licence": licence_of(used) if used else None})


def print_reindex(collection: str, result: Document) -> None:
    """Print the result of a re-index."""
    for tile in result["left_out"][:SHOWN]:
        notice(f"omitted {tile['source']}: {tile['reason']}")
    if len(result["left_out"]) > SHOWN:
        notice(f"omitted {len(result['left_out']) - SHOWN} more")
    before, now = result["previous_version"], result["index_version"]
    say(f"{collection}: {f'switched from {before} to {now}' if result['switched'] else f'keeps {now}'}: {result['reason']}")
    if result.get("candidate_version"):
        say(f"switch anyway: dyad collections rollback {collection} --version {result['candidate_version']}")
    gate, latency = result["gate"], result["gate"].get("latency_ms")
    print_fields(
        {
            "tiles": result["tiles"],
            "vectors": ", ".join(f"{result[way]} {way}" for way in ("copied", "projected", "embedded") if result[way]),
            "golden queries": gate.get("golden_queries") and _evidence(gate),
            "change": _change(gate),
            "unlabelled tiles": _rest(gate),
            "recent queries": gate.get("recent_queries"),
            "overlap at 10": _either(gate.get("overlap_at_10"), gate.get("recent_overlap_at_10")),
            "latency": latency and f"{latency['old']:.1f} ms before, {latency['new']:.1f} ms now",
        }
    )


def _evidence(gate: Document) -> str:
    """Number of labelled queries, their places and labels."""
    return f"{gate['golden_queries']} from {gate.get('places')} places, {gate.get('classes')} labels"


def _change(gate: Document) -> str | None:
    """Change of mean average precision with its interval."""
    if not gate.get("change"):
        return None
    low, mean, high = (100 * gate["change"][name] for name in ("low", "mean", "high"))
    return f"{mean:+.2f} points of mean average precision ({low:+.2f} to {high:+.2f})"


def _rest(gate: Document) -> str | None:
    """Similarity of the results for unlabelled tiles."""
    if gate.get("unlabelled_overlap_at_10") is None:
        return None
    return f"overlap at 10 {gate['unlabelled_overlap_at_10']:.2f}, agreement {gate['unlabelled_agreement']:.2f}"


def _either(golden: Any, recent: Any) -> str:
    shown = {"golden": golden, "recent": recent}
    return ", ".join(f"{value:.2f} ({name})" for name, value in shown.items() if value is not None)
