"""`dyad collections train` and `evaluate`: start a process and wait for it."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli import options
from app.cli.client.connect import open_client
from app.cli.client.follow_job import follow_job
from app.cli.commands.learning.reindex import print_reindex
from app.cli.options import Target
from app.cli.output import notice, print_fields, print_json, say
from app.client.core import Document


def train(
    collection: options.CollectionId,
    recipe: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="`head` fine-tunes the head (seconds); a recipe of `dyad train --list` trains the network (hours).",
        ),
    ] = "head",
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a field of the recipe; repeatable.")
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="ID", help="Identifier of the new model.")] = None,
    title: Annotated[str | None, typer.Option(help="Title, one line.")] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed. Default: 0.")] = None,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Train from scratch instead of fine-tuning the current model.")
    ] = False,
    reindex: Annotated[bool, typer.Option("--reindex/--no-reindex", help="Re-index the collection with the new model.")] = True,
    json: options.JsonFlag = False,
    home: options.Home = None,
    url: options.Url = None,
) -> None:
    """Train a model on the labels of a collection, and re-index the collection with it unless quality falls.

    The model is evaluated on one labelled tile in five, which is held out. Ctrl-C dismisses the training.

    Examples:

        dyad collections train naip

        dyad collections train naip --recipe nsl-margin --set epochs=20 --no-reindex
    """
    settings = dict(map(_parse_setting, overrides or ()))
    given = options.given(model_id=model, title=title, seed=seed)
    inputs = {"collection": collection, "recipe": recipe, "settings": settings, "reindex": reindex, **given}
    with open_client(Target(url, home)) as dyad:
        job = dyad.start("train", **inputs, from_scratch=from_scratch)
        result = {"job_id": job["id"], **follow_job(dyad, job["id"], "training", "stopped: the training is dismissed")}
        if result["reindex_job"] is not None:
            stopped = f"stopped: the model {result['model']} is kept; the current index is unchanged"
            result["reindex"] = follow_job(dyad, result["reindex_job"], "re-indexing", stopped)
    if json:
        print_json(result)
    else:
        _print_training(collection, result)


def evaluate(
    collection: options.CollectionId,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the report to this HTML file.", dir_okay=False)
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Apply the setting that the evaluation proposes, if any.")] = False,
    json: options.JsonFlag = False,
    home: options.Home = None,
    url: options.Url = None,
) -> None:
    """Measure how well the model of a collection finds tiles with the same label, and whether re-ranking helps.

    It changes no setting, but may propose one; --apply applies the proposal.

    Example: dyad collections evaluate naip --report naip.html
    """
    with open_client(Target(url, home)) as dyad:
        job = dyad.start("evaluate", collection=collection)
        result = {"job_id": job["id"], **follow_job(dyad, job["id"], "evaluating", "stopped: the evaluation is dismissed")}
        if report is not None:
            dyad.export_report(result["job_id"], report)
        proposal = result.get("proposal")
        if apply and proposal is not None:
            dyad.update_collection(collection, **proposal["settings"])
    if json:
        print_json(result)
        return
    _print_evaluation(result)
    if proposal is not None:
        advice = "applied" if apply else "run the command again with --apply to change it"
        switch = "off" if proposal["settings"]["rerank"] is False else "on"
        say(f"proposal: re-ranking {switch} by default, because {proposal['reason']}; {advice}")
    if report is not None:
        say(f"report: {report}")


def _print_training(collection: str, result: Document) -> None:
    names = ("classes", "left_out", "tiles", "labelled", "held_out")
    shown: Document = {name: result[name] for name in names if name in result}
    print_fields({"model": result["model"], **_figures(result["metrics"]), **_flat(shown)})
    for note in result.get("notes", ()):
        notice(note)
    if error := result.get("reindex_error"):
        notice(f"{collection} is not re-indexed: {error}")
    elif reindex := result.get("reindex"):
        print_reindex(collection, reindex)


def _figures(metrics: Document) -> dict[str, object]:
    """Metrics before and after training, if the result contains both."""
    if "before" not in metrics or "after" not in metrics:
        return _flat(metrics)
    before, after = metrics["before"], metrics["after"]
    return {name.replace("_", " "): f"{before[name]:.4f} before, {after[name]:.4f} now" for name in before if name in after}


def _print_evaluation(result: Document) -> None:
    rerank, calibration = result["rerank"], result.get("calibration")
    worth = rerank and f"mAP {rerank['map_before']:.4f} without, {rerank['map_after']:.4f} with re-ranking; {_decision(rerank)}"
    print_fields(
        {
            "model": f"{result['model']} (index {result['index_version']})",
            "queries": result["queries"],
            "protocol": result["protocol"],
            **_flat(result["metrics"]),
            "re-ranking": worth,
            "calibration error (ECE)": calibration and round(calibration["ece"], 4),
        }
    )
    for warning in result.get("warnings", ()):
        notice(warning)


def _decision(rerank: Document) -> str:
    words = {True: "it helps", False: "it lowers the mAP", None: "too few labels to decide"}
    return words[rerank["default"]]


def _flat(values: Document, prefix: str = "") -> dict[str, object]:
    """Nested values by dotted names."""
    found: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            found[prefix + name] = ", ".join(map(str, value))
        else:
            found[prefix + name] = round(value, 4) if isinstance(value, float) else value
    return found


def _parse_setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise typer.BadParameter(f"{text!r} is not KEY=VALUE; pass for example epochs=20", param_hint="--set")
    try:
        return name, json_format.loads(value)
    except ValueError:
        return name, None if value == "none" else value
