"""`dyad serve`: run the service."""

from __future__ import annotations

import resource
import signal
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import options
from app.cli.output import notice
from app.errors import StartupError

if TYPE_CHECKING:
    from types import FrameType

    import uvicorn

    from app.container import Container
    from app.settings import Settings

BACKLOG = 2048
MAX_DESCRIPTORS = 65_536
GRACE_SECONDS = 10
"""Seconds that running requests may take to end after Ctrl-C."""


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: DYAD_HOST, else 127.0.0.1.")] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="Port to listen on, 0 for a free one. Default: DYAD_PORT, else 8000."),
    ] = None,
    home: options.Home = None,
) -> None:
    """Start the service: the web page and the HTTP API. Ctrl-C stops it.

    Example: dyad serve --port 9000 --home /srv/dyad
    """
    from app.settings import load_settings
    from app.telemetry.logs import configure_service_logs
    from app.telemetry.tracing import configure_tracing

    settings = load_settings(home=home, host=host, port=port)
    configure_service_logs(settings)
    configure_tracing()
    _raise_descriptor_limit()
    listener = _listen(settings)
    settings = settings.model_copy(update={"port": listener.getsockname()[1]})
    # uvicorn raises the signal that stopped it again: both signals then arrive here, and a stop is not a failure.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _run(settings, listener)
    except KeyboardInterrupt:
        notice("stopped")
    finally:
        listener.close()


def _raise_descriptor_limit() -> None:
    """Allow as many open files as the system permits, up to `MAX_DESCRIPTORS`: connections and uploads need them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # a system may permit less than it reports
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _listen(settings: Settings) -> socket.socket:
    """The bound socket.

    Raises:
        StartupError: the address cannot be used, or the home is in use, which is then the better explanation.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        from app.container import Container

        Container(settings).close()
        raise StartupError(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}; choose another port with --port"
        ) from None


def _run(settings: Settings, listener: socket.socket) -> None:
    from app.container import Container

    container = Container(settings, settings.url)
    server = _server(settings, container)
    try:
        server.run(sockets=[listener])
    finally:
        container.close()
    if not server.started:
        raise StartupError("the service did not start; see the lines above")


def _server(settings: Settings, container: Container) -> uvicorn.Server:
    import uvicorn

    from app.api.middleware.request_heads import limited_protocol
    from app.main import create_app
    from app.queue.forced_exit import EXIT_SECONDS, exit_within

    class Server(uvicorn.Server):
        """Prints its address when it is ready to answer. Interrupts the jobs and limits the shutdown at the first signal."""

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            if not self.should_exit:
                exit_within(EXIT_SECONDS, container.stop_jobs)
            super().handle_exit(sig, frame)

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                notice(f"Dyad is at {settings.url} (state in {settings.home}); Ctrl-C stops it")

    return Server(
        uvicorn.Config(
            create_app(container),
            http=limited_protocol(settings.max_connections_per_client),
            log_config=None,
            access_log=settings.log_format == "json" or settings.log_level == "DEBUG",
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
