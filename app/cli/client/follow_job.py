"""Waits for a job and shows its progress."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from app.cli.client.stopped import Stopped
from app.cli.output import notice, progress_bar
from app.client.core import Document

if TYPE_CHECKING:
    from app.cli.client.client import Client


def follow_job(dyad: Client, job_id: str, title: str, stopped: str) -> Document:
    """Wait for a job, with a progress bar. Returns its results.

    stopped: the message after Ctrl-C, which dismisses the job and ends the command with code 130.

    Raises:
        DyadError: it failed or was dismissed.
    """
    try:
        with progress_bar(title) as report:
            return dyad.follow(job_id, report)
    except Stopped:
        notice(stopped)
        raise typer.Exit(130) from None
