"""What commands ask of Dyad, however it is reached. Documents are those of the HTTP answers, whichever backend makes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

Document = dict[str, Any]
LabelMode = Literal["add", "replace"]
Report = Callable[[float, str], None]
"""Takes progress: percent, 0 to 100, and one line for a person."""


POLL_SECONDS = 0.2
ENDED = ("successful", "failed", "dismissed")


class Stopped(Exception):
    """Work was stopped by Ctrl-C. kept: how many tiles it had indexed or found unchanged, at least; they stay."""

    def __init__(self, kept: int = 0) -> None:
        super().__init__(f"{kept} tiles kept")
        self.kept = kept


class Backend(Protocol):
    """Dyad, opened in this process or reached over HTTP. Errors are `DyadError`s."""

    def collections(self) -> Document:
        """`{"collections": [...]}`."""

    def collection(self, collection_id: str) -> Document:
        """One collection. Raises `NotFound`."""

    def create_collection(self, settings: Document) -> Document:
        """Create a collection; `settings` holds its `id`. Raises `Conflict` if it exists."""

    def delete_collection(self, collection_id: str) -> None:
        """Delete a collection with its tiles, images and jobs."""

    def label(self, collection_id: str, file: Path, mode: LabelMode) -> Document:
        """Label tiles by a CSV or GeoJSON file: how many were updated, which rows were not taken. mode: add or replace."""

    def export_labels(self, collection_id: str, target: Path) -> None:
        """Write the labels of a collection's tiles to the new CSV file `target`."""

    def indexes(self, collection_id: str) -> Document:
        """`{"indexes": [...]}` of a collection, the newest first."""

    def rollback(self, collection_id: str, wanted: Document) -> Document:
        """Go back to an older index (`version`, `force`); the collection. Raises `Conflict`."""

    def models(self) -> Document:
        """`{"models": [...]}`."""

    def model(self, model_id: str) -> Document:
        """One model: its card, and what Dyad knows of it."""

    def import_model(self, archive: Path) -> Document:
        """Import a bundle's zip: the model with `unchanged`. Raises `InvalidBundle`, `Conflict`."""

    def export_model(self, model_id: str, target: Path) -> None:
        """Write a model's bundle to the new file `target`, as one zip."""

    def activate_model(self, model_id: str) -> Document:
        """Make a model the default; the model."""

    def delete_model(self, model_id: str) -> None:
        """Delete a model that was added. Raises `Conflict` while it is in use."""

    def jobs(self, collection: str | None, status: Sequence[str], limit: int) -> Document:
        """`{"jobs": [...]}`, newest first."""

    def job(self, job_id: str) -> Document:
        """The status of one job."""

    def cancel(self, job_id: str) -> Document:
        """Dismiss a job that has not ended; its status."""

    def execute(self, process_id: str, inputs: Document) -> Document:
        """Begin a process; the status of its job, for `follow`. Raises `NotFound`, `Unprocessable` and what it refuses."""

    def follow(self, job_id: str, report: Report) -> Document:
        """Wait until a job has ended; its results.

        Raises:
            DyadError: it failed or was dismissed. Stopped: by Ctrl-C; the job is dismissed by then.
        """

    def schedule(self, collection_id: str) -> Document:
        """The schedule of a collection. Raises `NotFound` if it has none."""

    def put_schedule(self, collection_id: str, settings: Document) -> Document:
        """Create or replace the schedule of a collection."""

    def delete_schedule(self, collection_id: str) -> None:
        """Remove the schedule of a collection."""

    def run_schedule(self, collection_id: str, accept_vanished: bool) -> Document:
        """Begin a run of the schedule; the status of its job, for `follow`. Raises `Conflict` while another is active."""

    def report(self, job_id: str) -> bytes:
        """The HTML page that an evaluation made. Raises `NotFound` if the job made none."""

    def search(self, collection_id: str, query: Document, image: Path | None) -> Document:
        """A FeatureCollection of the most similar tiles."""

    def index(self, collection_id: str, paths: Sequence[Path], labels_from_folders: bool, report: Report) -> Document:
        """Index paths and wait: `{"indexed", "unchanged", "rejected": [...], "item_ids": [...]}`.

        Raises:
            Stopped: by Ctrl-C; the jobs are dismissed by then.
        """
