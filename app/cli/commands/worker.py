"""`dyad worker` and `dyad beat`: the processes of a cluster that do the work, by Celery's own command line."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from app.cli import options
from app.errors import StartupError

QUEUES = "ingest,embed,train,maintenance"
APPLICATION = "worker.celery_app"


def worker(
    queues: Annotated[str, typer.Option(metavar="Q,Q,...", help=f"Kinds of work that it takes, of {QUEUES}.")] = QUEUES,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="DEVICE", help="cpu, cuda, or cuda:0,cuda:1: a process on each; DYAD_DEVICE, or cpu, if not given."
        ),
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Tasks at a time, each in a process; one, or one a GPU, if not given.")
    ] = None,
    memory_mb: Annotated[
        int, typer.Option(min=256, help="A process that has taken more memory than this is replaced after its task.")
    ] = 8192,
    home: options.Home = None,
) -> None:
    """Take jobs of a cluster from the broker. Needs DYAD_BROKER_URL, DYAD_VECTORS_URL and DYAD_BLOBS_URL.

    SIGTERM ends it warmly: what it has in hand is put back, and goes on where it was with another worker.

    Example: dyad worker --queues embed,train --device cuda:0,cuda:1
    """
    from app.settings import load_settings
    from app.telemetry.worker_metrics import prepare_metrics

    settings = load_settings(home=home, device=device)
    unknown = sorted({name.strip() for name in queues.split(",")} - set(QUEUES.split(",")))
    if unknown:
        raise typer.BadParameter(f"no queue {unknown[0]!r}; there are {QUEUES}", param_hint="--queues")
    cards = settings.device.count(",") + 1
    environment = {"DYAD_HOME": str(settings.home), "DYAD_DEVICE": settings.device}
    prepare_metrics(settings, environment, os.getpid())
    _become(
        environment,
        settings.broker_url,
        "worker",
        f"--queues={queues}",
        f"--concurrency={processes or cards}",
        f"--max-memory-per-child={memory_mb * 1024}",
        f"--loglevel={settings.log_level}",
    )


def beat(home: options.Home = None) -> None:
    """Tick the clock of a cluster: scheduled runs, and jobs that were lost. Two of them do no harm.

    Example: dyad beat
    """
    from app.settings import load_settings

    settings = load_settings(home=home)
    _become({"DYAD_HOME": str(settings.home)}, settings.broker_url, "beat", f"--loglevel={settings.log_level}")


def _become(environment: dict[str, str], broker_url: str, *arguments: str) -> None:
    """Replace this process by Celery's.

    Raises:
        StartupError: there is no broker, or Celery is not installed.
    """
    if not broker_url:
        raise StartupError("DYAD_BROKER_URL is not set: without a broker the service runs its jobs itself, without workers")
    from importlib.util import find_spec

    if find_spec("celery") is None:
        raise StartupError("workers need Celery: pip install 'dyad[cluster]'")
    os.environ.update(environment)
    os.execv(sys.executable, [sys.executable, "-m", "celery", "-A", APPLICATION, *arguments])  # noqa: S606 - our own program
