"""`dyad keys`: create, list, revoke. They work on the file of keys; a running service sees it within a second."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli import options
from app.cli.output import notice, print_json, print_table, say
from app.domain.keys import Role

Name = Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is; shown in logs, never secret.", show_default=False)]
File = Annotated[
    Path | None,
    typer.Option("--file", metavar="FILE", help="File of keys; DYAD_API_KEYS_FILE if not given.", show_default=False),
]


def build() -> typer.Typer:
    """The group."""
    group = typer.Typer(help="Keys: who may read, write and administer a service.", no_args_is_help=True)
    group.command()(create)
    group.command("list")(list_all)
    group.command()(revoke)
    return group


def create(
    name: Name,
    role: Annotated[Role, typer.Option(help="What it allows; each allows what stands before it, too.")] = Role.READ,
    file: File = None,
    json: options.JsonFlag = False,
) -> None:
    """Make a key and print it, once: the file keeps only its hash. The file is made if there is none.

    Example: dyad keys create ana --role write --file /etc/dyad/keys
    """
    from app.stores.key_file import add_key

    path = _path(file)
    key = add_key(path, name, role)
    if json:
        print_json({"name": name, "role": role, "key": key})
        return
    notice(f"{name} may {role} now, with this key; it is not shown again ({path} has its hash)")
    say(key)


def list_all(file: File = None, json: options.JsonFlag = False) -> None:
    """List the keys by name and role.

    Example: dyad keys list
    """
    from app.stores.key_file import read_keys

    keys = read_keys(_path(file))
    if json:
        print_json({"keys": [{"name": key.name, "role": key.role} for key in keys]})
        return
    print_table(["name", "role"], [(key.name, key.role) for key in keys], whole=["name"])


def revoke(name: Name, file: File = None, json: options.JsonFlag = False) -> None:
    """Take a key out of the file; links to pictures that were signed with it end, too.

    Example: dyad keys revoke ana
    """
    from app.stores.key_file import remove_key

    remove_key(_path(file), name)
    if json:
        print_json({"revoked": name})
        return
    say(f"{name} is revoked")


def _path(given: Path | None) -> Path:
    """The file that is meant.

    Raises:
        typer.BadParameter: none is.
    """
    from app.settings import load_settings

    path = given or load_settings().api_keys_file
    if path is None:
        raise typer.BadParameter("name the file, or set DYAD_API_KEYS_FILE", param_hint="--file")
    return path
