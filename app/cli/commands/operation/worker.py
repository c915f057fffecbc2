"""`dyad worker` and `dyad beat`: the Celery processes of a cluster."""

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
    queues: Annotated[str, typer.Option(metavar="Q,Q,...", help=f"Queues to work on, from {QUEUES}.")] = QUEUES,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="DEVICE",
            help="cpu, cuda, or several, e.g. cuda:0,cuda:1 (one process each). Default: DYAD_DEVICE, else cpu.",
        ),
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Number of processes, each with one task. Default: one, or one per GPU.")
    ] = None,
    memory_mb: Annotated[
        int, typer.Option(min=256, help="Replace a process that uses more memory than this, after its task.")
    ] = 8192,
    home: options.Home = None,
) -> None:
    """Run jobs of a cluster. Requires DYAD_BROKER_URL, DYAD_VECTORS_URL and DYAD_BLOBS_URL.

    SIGTERM shuts it down gracefully: its current jobs return to the queue, and another worker continues them.

    Example: dyad worker --queues embed,train --device cuda:0,cuda:1
    """
    from app.settings import load_settings
    from app.telemetry.worker_metrics import prepare_metrics

    settings = load_settings(home=home, device=device)
    unknown = sorted({name.strip() for name in queues.split(",")} - set(QUEUES.split(",")))
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is not a valid queue; the queues are {QUEUES}", param_hint="--queues")
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
    """Run the scheduler of a cluster: it starts scheduled runs and re-queues lost jobs. Two at a time are safe.

    Example: dyad beat
    """
    from app.settings import load_settings

    settings = load_settings(home=home)
    _become({"DYAD_HOME": str(settings.home)}, settings.broker_url, "beat", f"--loglevel={settings.log_level}")


def _become(environment: dict[str, str], broker_url: str, *arguments: str) -> None:
    """Replace this process with Celery.

    Raises:
        StartupError: no broker is set, or Celery is not installed.
    """
    if not broker_url:
        raise StartupError("DYAD_BROKER_URL is not set: without a broker the service runs jobs itself; set it to use workers")
    from importlib.util import find_spec

    if find_spec("celery") is None:
        raise StartupError("workers need Celery: pip install 'dyad[cluster]'")
    os.environ.update(environment)
    os.execv(sys.executable, [sys.executable, "-m", "celery", "-A", APPLICATION, *arguments])  # noqa: S606 - our own program
