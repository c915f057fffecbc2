"""Opens the client of a command. Imports are inside functions, so that `--help` is fast."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from app.cli.options import Target
from app.cli.output import notice
from app.errors import HomeInUse

if TYPE_CHECKING:
    from app.cli.client.application import Application
    from app.cli.client.client import Client

LOOPBACK = ("127.0.0.1", "localhost", "::1")
IN_PROCESS = "http://dyad"


@contextmanager
def open_client(target: Target) -> Iterator[Client]:
    """Open the state folder in this process, or connect to the service that `--url` names or that has the folder open.

    Raises:
        StartupError: the folder cannot be opened, and no service that has it open is known.
    """
    from app.settings import load_settings

    if target.url is not None:
        with _to_service(target.url, load_settings().api_key) as client:
            yield client
        return
    from app.cli.client.application import Application

    settings = load_settings(home=target.home)
    try:
        application = Application(settings)
    except HomeInUse as error:
        if error.url is None:
            raise
        notice(f"{settings.home} is open in the service at {error.url}; the command uses that service")
        with _to_service(error.url, settings.api_key) as client:
            yield client
        return
    with closing(application), _in_process(application) as client:
        yield client


@contextmanager
def _to_service(url: str, key: str) -> Iterator[Client]:
    """A client of a running service. key: sent with every request, unless it is empty."""
    from app.cli.client.client import Client

    url = url.rstrip("/")
    with Client(url, key or None, trust_env=urlsplit(url).hostname not in LOOPBACK) as client:
        yield client


@contextmanager
def _in_process(application: Application) -> Iterator[Client]:
    from app.cli.client.client import Client

    with Client(IN_PROCESS, application=application, transport=application.transport) as client:
        yield client
