"""`dyad models`: list, show, add, import, export, activate, delete."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from app.cli import options
from app.cli.client.connect import open_client
from app.cli.commands.learning.model_terms import licence_of
from app.cli.commands.learning.models_add import add
from app.cli.options import Target
from app.cli.output import print_fields, print_json, print_table, say
from app.client.core import Document

ModelId = Annotated[str, typer.Argument(metavar="ID", help="Identifier of the model.", show_default=False)]
MEGABYTE = 1_000_000


def build() -> typer.Typer:
    """The group."""
    group = typer.Typer(help="Models: they compute the embedding of a tile.", no_args_is_help=True)
    group.command("list")(list_all)
    group.command()(show)
    group.command()(add)
    group.command("import")(import_bundle)
    group.command()(export)
    group.command()(activate)
    group.command()(delete)
    return group


def list_all(json: options.JsonFlag = False, home: options.Home = None, url: options.Url = None) -> None:
    """List all models. The first is the active one, which new collections use.

    Example: dyad models list
    """
    with open_client(Target(url, home)) as dyad:
        document = {"models": dyad.models()}
    if json:
        print_json(document)
        return
    rows = [
        (
            m["id"],
            "yes" if m["active"] else "",
            m["version"],
            m["origin"],
            m["dimension"],
            ",".join(m["bands"]),
            _megabytes(m["size_bytes"]),
            ",".join(m["used_by"]),
            m["title"],
            licence_of(m),
        )
        for m in document["models"]
    ]
    columns = ["id", "active", "version", "origin", "dimension", "bands", "size", "used by", "title", "licence"]
    print_table(columns, rows, right=["dimension", "size"], whole=["id"])


def show(model: ModelId, json: options.JsonFlag = False, home: options.Home = None, url: options.Url = None) -> None:
    """Show one model: input, output, origin, and the collections that use it.

    Example: dyad models show hog
    """
    with open_client(Target(url, home)) as dyad:
        document = dyad.model(model)
    _print_model(document, json)


def import_bundle(
    bundle: Annotated[
        Path,
        typer.Argument(
            metavar="ZIP|FOLDER", exists=True, help="A bundle: a zip, or a folder that `dyad train` wrote.", show_default=False
        ),
    ],
    json: options.JsonFlag = False,
    home: options.Home = None,
    url: options.Url = None,
) -> None:
    """Import a model. An identical model changes nothing; a different one with the same identifier is refused.

    Example: dyad models import ucm.zip
    """
    with _packed(bundle) as archive, open_client(Target(url, home)) as dyad:
        document = dyad.import_model(archive)
    if json:
        print_json(document)
    else:
        say(f"{document['id']} {'is already imported, unchanged' if document['unchanged'] else 'is imported'}")


def export(
    model: ModelId,
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="New file. Default: ID.zip.")] = None,
    json: options.JsonFlag = False,
    home: options.Home = None,
    url: options.Url = None,
) -> None:
    """Export a model to one file, for `dyad models import` elsewhere. Equal models give equal files.

    Example: dyad models export ucm ucm.zip
    """
    target = file or Path(f"{model}.zip")
    with open_client(Target(url, home)) as dyad:
        dyad.export_model(model, target, overwrite=False)
    size = target.stat().st_size
    if json:
        print_json({"id": model, "file": str(target), "size_bytes": size})
    else:
        say(f"wrote {model} to {target} ({_megabytes(size)})")


def activate(model: ModelId, json: options.JsonFlag = False, home: options.Home = None, url: options.Url = None) -> None:
    """Make a model the active one: for new collections, and for those that follow the active model.

    Example: dyad models activate ucm
    """
    with open_client(Target(url, home)) as dyad:
        document = dyad.activate_model(model)
    if json:
        print_json(document)
    else:
        say(f"{model} is active: new collections use it")


def delete(
    model: ModelId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    json: options.JsonFlag = False,
    home: options.Home = None,
    url: options.Url = None,
) -> None:
    """Delete an imported or trained model that no collection uses. This cannot be undone.

    Example: dyad models delete ucm --yes
    """
    if not yes and not sys.stdin.isatty():
        raise typer.BadParameter("not an interactive terminal: pass --yes", param_hint="--yes")
    with open_client(Target(url, home)) as dyad:
        if not yes:
            typer.confirm(f"Delete the model {model}?", abort=True, err=True)
        dyad.delete_model(model)
    if json:
        print_json({"deleted": model})
    else:
        say(f"deleted {model}")


@contextmanager
def _packed(bundle: Path) -> Iterator[Path]:
    """The zip of a bundle: the file itself, or a temporary zip of a folder, deleted after the block."""
    if not bundle.is_dir():
        yield bundle
        return
    from app.inference.bundle_zip import stream_bundle
    from app.inference.bundles import read_bundle

    card = read_bundle(bundle)
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / f"{card.id}.zip"
        with archive.open("wb") as file:
            file.writelines(stream_bundle(bundle, card))
        yield archive


def _print_model(document: Document, json: bool) -> None:
    if json:
        print_json(document)
        return
    shown = ("id", "version", "title", "description", "kind", "input_size", "dimension", "origin")
    print_fields(
        {
            **{name.replace("_", " "): document[name] for name in shown},
            "bands": ", ".join(document["bands"]),
            "size": _megabytes(document["size_bytes"]),
            "licence": licence_of(document),
            "training data": _terms(document["training_sets"]) or document["training_data"],
            "starting weights": _terms(document["starting_weights"]),
            "active": "yes" if document["active"] else "no",
            "used by": ", ".join(document["used_by"]),
            "superseded by": document["superseded_by"],
        }
    )


def _terms(parts: list[Document]) -> str:
    return "; ".join(f"{part['name']}: {part['terms']}" + (f" ({part['source']})" if part["source"] else "") for part in parts)


def _megabytes(size: int) -> str:
    return f"{size / MEGABYTE:.1f} MB" if size else ""
