"""Waiting for a job on a terminal."""

from __future__ import annotations

import typer

from app.cli.client.backend import Backend, Document, Stopped
from app.cli.output import notice, progress_bar


def follow_job(dyad: Backend, job_id: str, title: str, stopped: str) -> Document:
    """Wait for a job, with a bar; its results.

    stopped: what to say after a Ctrl-C, which dismisses the job and ends the command with code 130.

    Raises:
        DyadError: it failed or was dismissed.
    """
    try:
        with progress_bar(title) as report:
            return dyad.follow(job_id, report)
    except Stopped:
        notice(stopped)
        raise typer.Exit(130) from None
