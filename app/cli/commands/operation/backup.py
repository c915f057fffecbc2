"""`dyad backup` and `dyad restore`: the whole state as one file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import options
from app.cli.output import print_json, say
from app.errors import HomeInUse

if TYPE_CHECKING:
    from app.container import Container
    from app.services.backup.archive import Contents


def backup(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="The new file.", show_default=False)],
    json: options.JsonFlag = False,
    home: options.Home = None,
) -> None:
    """Write collections, tiles, images, labels, added models, schedules and ended jobs into one file.

    Stop a service that has the state folder open first.

    A cluster continues to run; writes to a collection wait while it is read.

    The backup does not contain the file of keys.

    Example: dyad backup /backups/dyad-monday.zip
    """
    with _opened(home) as container:
        contents = container.backup.write(target)
    _print_contents(target, contents, "backed up to", json)


def restore(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `dyad backup` wrote.", show_default=False)],
    json: options.JsonFlag = False,
    home: options.Home = None,
) -> None:
    """Restore a backup into empty stores. A backup of a state folder can be restored into a cluster, and vice versa.

    The whole file is checked first. A damaged file or a failed restore changes nothing.

    Example: dyad restore /backups/dyad-monday.zip --home /srv/dyad
    """
    with _opened(home) as container:
        contents = container.restore.read(source)
    _print_contents(source, contents, "restored from", json)


@contextmanager
def _opened(home: Path | None) -> Iterator[Container]:
    from app.container import Container
    from app.settings import load_settings

    settings = load_settings(home=home)
    try:
        container = Container(settings)
    except HomeInUse as error:
        by = f"the service at {error.url}" if error.url else "another process"
        raise HomeInUse(f"{settings.home} is in use by {by}: stop it first", error.url) from None
    try:
        yield container
    finally:
        container.close()


def _print_contents(file: Path, contents: Contents, done: str, json: bool) -> None:
    if json:
        print_json({"file": str(file), **contents.model_dump(mode="json")})
        return
    count = len(contents.aliases)
    say(f"{count} collection{'' if count == 1 else 's'} {done} {file} ({contents.entries} entries)")
