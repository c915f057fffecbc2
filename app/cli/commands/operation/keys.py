"""`dyad keys`: create, list, revoke. They edit the file of keys; a running service reads it within a second."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli import options
from app.cli.output import notice, print_json, print_table, say
from app.domain.keys import Role

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the key. It appears in logs and is not secret.", show_default=False)
]
File = Annotated[
    Path | None,
    typer.Option("--file", metavar="FILE", help="File of keys. Default: DYAD_API_KEYS_FILE.", show_default=False),
]


def build() -> typer.Typer:
    """The group."""
    group = typer.Typer(help="API keys: permissions to read, write and administer a service.", no_args_is_help=True)
    group.command()(create)
    group.command("list")(list_all)
    group.command()(revoke)
    return group


def create(
    name: Name,
    role: Annotated[Role, typer.Option(help="Permission. Each includes the ones before it.")] = Role.READ,
    file: File = None,
    json: options.JsonFlag = False,
) -> None:
    """Create a key and print it once: the file contains only its hash. A missing file is created.

    Example: dyad keys create ana --role write --file /etc/dyad/keys
    """
    from app.stores.key_file import add_key

    path = _path(file)
    key = add_key(path, name, role)
    if json:
        print_json({"name": name, "role": role, "key": key})
        return
    notice(f"the key of {name} ({role}) is printed only once; {path} contains its hash")
    say(key)


def list_all(file: File = None, json: options.JsonFlag = False) -> None:
    """List the names and roles of the keys.

    Example: dyad keys list
    """
    from app.stores.key_file import read_keys

    keys = read_keys(_path(file))
    if json:
        print_json({"keys": [{"name": key.name, "role": key.role} for key in keys]})
        return
    print_table(["name", "role"], [(key.name, key.role) for key in keys], whole=["name"])


def revoke(name: Name, file: File = None, json: options.JsonFlag = False) -> None:
    """Remove a key from the file. Image links signed with it also stop working.

    Example: dyad keys revoke ana
    """
    from app.stores.key_file import remove_key

    remove_key(_path(file), name)
    if json:
        print_json({"revoked": name})
        return
    say(f"{name} is revoked")


def _path(given: Path | None) -> Path:
    """The file of keys.

    Raises:
        typer.BadParameter: neither the option nor the setting names one.
    """
    from app.settings import load_settings

    path = given or load_settings().api_keys_file
    if path is None:
        raise typer.BadParameter("no file of keys: pass --file, or set DYAD_API_KEYS_FILE", param_hint="--file")
    return path
