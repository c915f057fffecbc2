"""`dyad models add`: makes a model of any encoder."""

from __future__ import annotations

import json as json_module
import re
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from app.cli import options
from app.cli.client.connect import open_client
from app.cli.options import Target
from app.cli.output import print_json, say
from app.cli.run_program import as_arguments, check_installed, run_module
from app.client.core import Document

TIMM_PROGRAM = "models.runs.export_timm"
_CARD, _GRAPH = "Card", "Graph"
_MOST = 64


def add(
    encoder: Annotated[
        Path | None,
        typer.Argument(metavar="ENCODER.onnx", exists=True, dir_okay=False, help="An ONNX encoder.", show_default=False),
    ] = None,
    bands: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="Bands that the encoder takes, in its order.", show_default=False)
    ] = None,
    size: Annotated[
        int | None, typer.Option(metavar="PIXELS", help="Height and width of its tiles. Default: of the graph.")
    ] = None,
    mean: Annotated[
        str | None,
        typer.Option(metavar="X,...", help="Mean of each band, or one for all, of values divided by 255. Default: 0."),
    ] = None,
    std: Annotated[
        str | None,
        typer.Option(metavar="X,...", help="Standard deviation of each band, or one for all. Default: 1."),
    ] = None,
    model_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Identifier of the model. Default: the name of the file.")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Output to use, if the graph has several.", rich_help_panel=_GRAPH),
    ] = None,
    pooling: Annotated[
        Literal["mean", "cls"],
        typer.Option(help="Vector of the tokens (N, T, C) of a transformer: their mean, or the first.", rich_help_panel=_GRAPH),
    ] = "mean",
    from_timm: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help='Export this architecture of timm instead. Requires: pip install "dyad\\[train]".',
            rich_help_panel=_GRAPH,
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Weights for --from-timm, .safetensors or .pth.",
            rich_help_panel=_GRAPH,
        ),
    ] = None,
    title: Annotated[str, typer.Option(help="Title of the model, one line.", rich_help_panel=_CARD)] = "",
    description: Annotated[str, typer.Option(help="Description of the model.", rich_help_panel=_CARD)] = "",
    licence: Annotated[str, typer.Option(help="Licence of the model.", rich_help_panel=_CARD)] = "",
    training_data: Annotated[str, typer.Option(help="What it was trained on.", rich_help_panel=_CARD)] = "",
    research_only: Annotated[
        bool, typer.Option("--research-only", help="Its licence allows research use only.", rich_help_panel=_CARD)
    ] = False,
    json: options.JsonFlag = False,
    home: options.Home = None,
    url: options.Url = None,
) -> None:
    """Add an encoder as a model: index, search, train its head, evaluate.

    The encoder is tried on two tiles first. It gets a head that changes nothing until labels train it.

    Examples:

        dyad models add encoder.onnx --bands red,green,blue --size 224 --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225

        dyad models add landsat.onnx --bands swir1,nir,red,green --mean 0.3 --std 0.2 --title "Landsat encoder"

        dyad models add --from-timm vit_small_patch16_224 --weights vit.safetensors --bands red,green,blue
    """
    from app.inference.adding.add_encoder import make_bundle
    from app.inference.adding.request import EncoderRequest

    if (encoder is None) == (from_timm is None):
        raise typer.BadParameter("pass the file of an ONNX encoder, or --from-timm NAME")
    if (from_timm is None) != (weights is None):
        raise typer.BadParameter("--from-timm and --weights belong together", param_hint="--weights")
    names = tuple(name.strip() for name in (bands or "").split(",") if name.strip())
    if not names:
        raise typer.BadParameter("name the bands that the encoder takes, for example red,green,blue", param_hint="--bands")
    facts: dict[str, Any] = {"size": size, "mean": _numbers(mean, "--mean"), "std": _numbers(std, "--std")}
    target = Target(url, home)
    with tempfile.TemporaryDirectory(prefix="dyad-add-") as scratch:
        folder = Path(scratch)
        if encoder is None:
            encoder, found = _export_timm(str(from_timm), Path(str(weights)), len(names), size, folder)
            facts = {name: value or found[name] for name, value in facts.items()}
        request = EncoderRequest(
            id=model_id or _id_of(from_timm or encoder.stem),
            bands=names,
            output=output,
            pooling=pooling,
            title=title,
            description=description,
            licence=licence,
            training_data=training_data,
            research_only=True if research_only else None,
            **facts,
        )
        made = make_bundle(encoder, request, folder / "bundle")
        archive = folder / "bundle.zip"
        _pack(folder / "bundle", archive)
        with open_client(target) as dyad:
            document = dyad.import_model(archive)
    if json:
        print_json(document)
        return
    _print_added(document, made.output, made.shape, is_scaled=bool(facts["mean"] or facts["std"]), target=target)


def _pack(bundle: Path, archive: Path) -> None:
    from app.inference.bundle_zip import stream_bundle
    from app.inference.bundles import read_bundle

    with archive.open("wb") as file:
        file.writelines(stream_bundle(bundle, read_bundle(bundle)))


def _print_added(document: Document, output: str, shape: tuple[int, ...], *, is_scaled: bool, target: Target) -> None:
    name = document["id"]
    if document["unchanged"]:
        say(f"{name} was added before, unchanged")
        return
    axes = ", ".join(map(str, ("N", *shape)))
    size, bands, dimension = document["input_size"], ", ".join(document["bands"]), document["dimension"]
    say(f"added {name}: tiles of {size} x {size} pixels ({bands}), output {output!r} ({axes}), dimension {dimension}")
    if not is_scaled:
        say("its input is the values divided by 255; pass --mean and --std if it was trained on other values")
    say(f"next: dyad index my-images FOLDER --model {name}{target.as_options()}")


def _export_timm(name: str, weights: Path, bands: int, size: int | None, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Export a timm network; returns its graph, and the size, mean and std that timm states."""
    check_installed("torch", "timm", "onnxscript")
    options_ = {"--weights": weights, "--bands": bands, "--size": size, "--out": folder}
    status = run_module(TIMM_PROGRAM, [*as_arguments(options_), "--", name])
    if status:
        raise typer.Exit(status)
    facts: dict[str, Any] = json_module.loads((folder / "facts.json").read_bytes())
    return folder / "timm.onnx", {name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()}


def _numbers(text: str | None, option: str) -> tuple[float, ...]:
    try:
        return () if text is None else tuple(float(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a list of numbers, such as 0.485,0.456,0.406", param_hint=option) from None


def _id_of(name: str) -> str:
    """An identifier from the name of a file or an architecture."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-._")[:_MOST] or "encoder"
