"""How a command reaches Dyad: in this process, or over HTTP. Imports wait until that is known: `--help` is quick."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from app.cli.client.backend import Backend
from app.cli.options import Target
from app.cli.output import notice
from app.errors import HomeInUse


@contextmanager
def open_backend(target: Target) -> Iterator[Backend]:
    """Open the state folder, or, where a service has it open or `--url` names one, talk to that service.

    Raises:
        StartupError: the folder cannot be opened, and no service that has it open is known.
    """
    from app.cli.client.remote import HttpBackend
    from app.settings import load_settings

    if target.url is not None:
        with HttpBackend(target.url, load_settings().api_key) as remote:
            yield remote
        return

    from app.cli.client.local import LocalBackend

    settings = load_settings(home=target.home)
    try:
        local = LocalBackend(settings)
    except HomeInUse as error:
        if error.url is None:
            raise
        notice(f"{settings.home} is open in the service at {error.url}; asking it")
        with HttpBackend(error.url, settings.api_key) as remote:
            yield remote
        return
    with local:
        yield local
