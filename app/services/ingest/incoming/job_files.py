"""The files of an ingest job: listed from its inputs, then unpacked, with the metadata and labels that the client sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from app.domain.jobs import Job
from app.domain.metadata import parse_metadata
from app.errors import NotFound
from app.services.ingest.incoming.file_metadata import UploadMetadata
from app.services.ingest.incoming.folder_labels import FolderLabels
from app.services.ingest.incoming.read_policy import ReadPolicy
from app.services.ingest.incoming.sources import Found, Note, Rejection, SourceFile, list_files, read_manifest, uploaded_files
from app.services.ingest.incoming.unpacking import Beside
from app.services.jobs.folders import JobFolders

MANIFEST = "manifest.jsonl"
METADATA = "metadata.json"
SAMPLE = "sample_scene.tif"


@dataclass(frozen=True, slots=True)
class JobFiles:
    """The files of one job.

    folder: of the job, with its staged files. folders: brings staged files to this machine. read_policy: for the paths and URLs
    in the job's inputs.
    """

    job: Job
    folder: Path
    folders: JobFolders
    read_policy: ReadPolicy

    def count(self) -> int:
        """Number of listed files, rejected files included."""
        return sum(not isinstance(each, Note) for each in self.listed())

    def listed(self) -> Iterator[Found]:
        """The top-level files of the job."""
        inputs = self.job.inputs
        if "sample" in inputs:
            return iter([SourceFile(SAMPLE, self.folder / SAMPLE)])
        if "urls" in inputs:
            return iter([SourceFile(url, self.folder / f"fetched-{n}", url=url) for n, url in enumerate(inputs["urls"])])
        if "paths" not in inputs:
            self.folders.bring(self.folder / MANIFEST)
            return read_manifest(self.folder / MANIFEST)
        return chain.from_iterable(self._listed_path(*each) for each in inputs["paths"])

    def unpacked(
        self, listed: Iterator[Found], expand: Callable[[SourceFile], Iterator[Found]], metadata: UploadMetadata
    ) -> Iterator[Found]:
        """The files to index for listed files, with their metadata and labels.

        expand: returns the files to index for one listed file, see `IngestService.expand`.
        """
        labels = FolderLabels() if self.job.inputs.get("labels_from_folders") else None
        for each in listed:
            if not isinstance(each, SourceFile):
                if isinstance(each, Rejection):
                    metadata.mark(each.file_name)
                yield each
                continue
            for source in expand(each):
                if isinstance(source, SourceFile):
                    described = metadata.apply(source, each)
                    yield described if labels is None else labels.apply(described, each)
                else:
                    metadata.mark(source.file_name)
                    yield source
        if labels is not None:
            yield from labels.notes()

    def metadata(self) -> UploadMetadata:
        """The client's metadata by file name."""
        path = self.folder / METADATA
        with suppress(NotFound):
            self.folders.bring(path)
        return UploadMetadata(parse_metadata(path.read_bytes()) if path.exists() else {})

    def beside(self) -> Beside | None:
        """Finds the files of an upload by name; None for other jobs."""
        manifest = self.folder / MANIFEST
        if not manifest.exists():
            with suppress(NotFound):
                self.folders.bring(manifest)
        if "files" not in self.job.inputs or not manifest.exists():
            return None
        uploaded = uploaded_files(manifest)

        def find(name: str) -> Path | None:
            path = uploaded.get(name)
            if path is not None:
                self.folders.bring(path)
            return path

        return find

    def _listed_path(self, path: str, name: str, folder: str | None = None) -> Iterator[Found]:
        for found in list_files(self.read_policy.resolve(Path(path)), name, self.read_policy):
            yield replace(found, folder=folder) if isinstance(found, SourceFile) and found.name == name else found
