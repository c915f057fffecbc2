"""Ingest: submits and runs jobs that index files. An ingest can be repeated without harm (UUIDv5 ids, content hashes)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.domain.jobs import Job, new_job
from app.domain.metadata import parse_metadata
from app.domain.naming.urls import is_url
from app.domain.scheduling.stac_selection import EVERYTHING, Conditions, StacSelection
from app.errors import InvalidInput, NotFound
from app.imagery.demo_scene.countryside import draw_demo_scene
from app.imagery.raster.windows import TileGrid
from app.imagery.sources.stac_scenes import BandChoice
from app.ports import Blobs, Cancelled, JobContext, JobQueue, VectorStore
from app.services.catalogue.collections import CollectionService
from app.services.catalogue.images import images_prefix
from app.services.catalogue.models import ModelService
from app.services.catalogue.tile_settings import cut_spec
from app.services.ingest.chunks import ChunkedIngest, Helpers
from app.services.ingest.file_reader import FileReader
from app.services.ingest.incoming.file_metadata import UploadMetadata
from app.services.ingest.incoming.job_files import MANIFEST, METADATA, SAMPLE, JobFiles
from app.services.ingest.incoming.read_policy import ReadPolicy
from app.services.ingest.incoming.sources import Found, Rejection, SourceFile, write_manifest
from app.services.ingest.incoming.unpacking import Beside, Unpacker
from app.services.ingest.plan import Entry, plan_entries
from app.services.ingest.readers import Readers
from app.services.ingest.run import MAX_LISTED_REJECTIONS, IngestRun, checked_result
from app.services.ingest.writer import Writer
from app.services.jobs.folders import JobFolders
from app.services.maintenance.unreferenced_images import delete_unreferenced_images

KIND = "ingest"
SAMPLE_SEED = 0
SAMPLE_SIZE = 1536


@dataclass(frozen=True, slots=True)
class IngestLimits:
    """max_bytes: unpacked size of a zip. max_pixels: of an image that is decoded whole.

    threads: number of files that are read at a time, and of threads that cut one scene.
    """

    max_bytes: int
    max_pixels: int
    threads: int


class IngestService:
    """Submits ingest jobs and indexes their files."""

    def __init__(
        self,
        *,
        collections: CollectionService,
        models: ModelService,
        vectors: VectorStore,
        blobs: Blobs,
        queue: JobQueue,
        folders: JobFolders,
        read_policy: ReadPolicy,
        limits: IngestLimits,
        helpers: Helpers | None = None,
    ) -> None:
        self._collections = collections
        self._models = models
        self._vectors = vectors
        self._blobs = blobs
        self._queue = queue
        self._folders = folders
        self._read_policy = read_policy
        self._limits = limits
        self._chunk_files = 0 if helpers is None else helpers.files
        self._chunked = None if helpers is None else ChunkedIngest(blobs, helpers, self._index_chunk)

    def submit_upload(
        self,
        collection_id: str,
        folder: Path,
        files: Sequence[tuple[str, Path]],
        metadata: bytes | None,
        labels_from_folders: bool = False,
    ) -> Job:
        """Index uploaded files in `folder` (from `JobFolders.new`), which becomes the folder of the job.

        files: the client's file name and the staged path of each. metadata: the JSON of the form field. labels_from_folders:
        label each file with the name of its folder.

        Raises:
            NotFound: the collection. InvalidInput: no files. Unprocessable: the metadata. Unavailable: the files cannot be
            stored.
        """
        self._collections.get(collection_id)
        if not files:
            raise InvalidInput("no files: send at least one file in the multipart field `files`")
        if metadata is not None:
            parse_metadata(metadata)
            (folder / METADATA).write_bytes(metadata)
        write_manifest(folder / MANIFEST, files)
        self._folders.share(folder)
        return self._submit(collection_id, {"files": len(files), **_labelled(labels_from_folders)}, folder.name)

    def submit_href(
        self, collection_id: str, href: str, labels_from_folders: bool = False, selection: Mapping[str, Any] | None = None
    ) -> Job:
        """Index a path on the server (an image, scene, zip, STAC item, or a folder of these) or a file at a URL.

        selection: which Items of a STAC catalogue or API are taken, see `StacSelection`.

        Raises:
            NotFound: the collection. Forbidden: DYAD_READ_ROOTS does not allow it. InvalidInput: the URL is not supported, or
                the file does not exist.
        """
        self._collections.get(collection_id)
        more = {**_labelled(labels_from_folders), **({"selection": dict(selection)} if selection else {})}
        if is_url(href):
            return self._submit(collection_id, {"urls": [self._read_policy.web().check(href)], **more})
        if "://" in href and not href.startswith("file://"):
            raise InvalidInput(f"{href}: not a supported address; use an absolute path, or an http(s) or s3 URL")
        path = self._read_policy.resolve(Path(href.removeprefix("file://")))
        return self._submit(collection_id, {"paths": [[str(path), str(path)]], **more})

    def submit_paths(self, collection_id: str, paths: Sequence[Path], labels_from_folders: bool = False) -> Job:
        """Index local paths given by the user of this machine on the command line; DYAD_READ_ROOTS does not apply.

        Raises:
            NotFound: the collection. InvalidInput: a file does not exist, or two paths have the same name.
        """
        self._collections.get(collection_id)
        real = [ReadPolicy(anywhere=True).resolve(path) for path in paths]
        folders = [Path(os.path.normpath(path.expanduser().absolute())).parent.name for path in paths]
        names = [path.name for path in real]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InvalidInput(
                f"two paths have the name {twice[0]!r}, so their tiles would replace each other; rename one of them"
            )
        named = [[str(path), path.name, folder] for path, folder in zip(real, folders, strict=True)]
        return self._submit(collection_id, {"paths": named, "trusted": True, **_labelled(labels_from_folders)})

    def submit_sample(self, collection_id: str) -> Job:
        """Index a generated scene, for a service without data.

        Raises:
            NotFound: the collection.
        """
        self._collections.get(collection_id)
        return self._submit(collection_id, {"sample": SAMPLE_SEED})

    def run(self, context: JobContext) -> dict[str, Any]:
        """Run an ingest job.

        Raises:
            Cancelled, Interrupted: the job has to stop; tiles reported so far stay. NothingIndexed: every file was rejected.
        """
        with self.workplace(context) as folder:
            files = self._files(context.job, folder)
            result = self._ingest(context, files)
            used = set(result.pop("metadata_used", ()))
            unmatched = [key for key in files.metadata().keys if key not in used]
        listed = {"metadata_unmatched": unmatched[:MAX_LISTED_REJECTIONS], "metadata_unmatched_count": len(unmatched)}
        return checked_result({**result, **listed})

    def help(self, context: JobContext, chunk: int) -> None:
        """Process a chunk of a job of another worker; see `ChunkedIngest.help`."""
        if self._chunked is not None:
            self._chunked.help(context, chunk)

    @contextmanager
    def workplace(self, context: JobContext) -> Iterator[Path]:
        """The folder of a job, for the block in which it indexes files.

        First deletes images that an earlier attempt stored without their points. The folder is kept if the job is interrupted.
        """
        job = context.job
        with self._folders.working(job.id) as folder:
            try:
                if job.attempts > 1 and self._chunked is None:
                    self._delete_unreferenced_images(str(job.collection))
                yield folder
            except Cancelled:
                if self._chunked is None:  # else other workers may be about to write the points of new images
                    self._delete_unreferenced_images(str(job.collection))
                raise

    def index(self, context: JobContext, sources: Iterator[Found], total: float, list_unchanged: bool = True) -> dict[str, Any]:
        """Index new and changed files into the collection of a job; unchanged tiles stay.

        sources: unpacked, see `expand`. For the other arguments and the result see `IngestRun`.

        Raises:
            Cancelled, Interrupted: the job has to stop.
        """
        collection = self._collections.get(str(context.job.collection))
        live = self._collections.live(collection.id)
        model = self._models.load(live.model)
        spec = cut_spec(collection, model.card, self._limits.max_pixels)
        reader = FileReader(collection, model.card, spec, live.index, self._vectors, self._blobs, self._limits.threads)
        readers = Readers(reader.read, self._limits.threads)
        with Writer(collection.id, self._collections, self._vectors, self._blobs, model) as writer:
            return IngestRun(context, readers, writer, total, list_unchanged).run(reader.look_up(sources))

    def band_choice(self, collection_id: str) -> BandChoice:
        """The bands that the collection's files must have."""
        card = self._models.card(self._collections.live(collection_id).model)
        collection = self._collections.get(collection_id)
        return BandChoice(collection.bands, len(card.bands), TileGrid(collection.tile_size, collection.stride))

    def expand(
        self,
        source: SourceFile,
        folder: Path,
        read_policy: ReadPolicy,
        choice: BandChoice,
        beside: Beside | None = None,
        conditions: Conditions = EVERYTHING,
    ) -> Iterator[Found]:
        """The files to index for a listed file: itself, the members of a zip (unpacked into `folder`), or a STAC item's scenes.

        choice: see `band_choice`. beside: finds the other files of an upload. conditions: which Items of STAC are taken.
        """
        try:
            is_copy = self._folders.bring(source.path)
            for each in source.sidecars:
                self._folders.bring(each)
        except NotFound as error:
            yield Rejection(source.name, str(error), source.weight)
            return
        for found in Unpacker(folder, self._limits.max_bytes, read_policy, choice, beside, conditions).unpack(source):
            if is_copy and isinstance(found, SourceFile) and found.path == source.path:
                yield replace(found, temporary=True)
            else:
                yield found

    def _submit(self, collection_id: str, inputs: dict[str, Any], job_id: str | None = None) -> Job:
        job = new_job(KIND, collection_id, inputs, job_id=job_id)
        self._queue.submit(job)
        return job

    def _files(self, job: Job, folder: Path) -> JobFiles:
        read_policy = ReadPolicy(anywhere=True) if job.inputs.get("trusted") else self._read_policy
        return JobFiles(job, folder, self._folders, read_policy)

    def _ingest(self, context: JobContext, files: JobFiles) -> dict[str, Any]:
        inputs = context.job.inputs
        if self._chunked is not None and "sample" not in inputs:
            return self._chunked.run(context, lambda: plan_entries(files, self._chunk_files))
        if "sample" in inputs:
            context.progress(0, "drawing the sample scene")
            draw_demo_scene(files.folder / SAMPLE, inputs["sample"], SAMPLE_SIZE)
        context.progress(0, "counting files")
        total = files.count()
        return self._indexed(context, files, files.listed(), total)

    def _index_chunk(self, context: JobContext, entries: Sequence[Entry]) -> dict[str, Any]:
        files = self._files(context.job, self._folders.of(context.job.id))
        return self._indexed(context, files, (entry.listed(files.folder) for entry in entries), len(entries))

    def _indexed(self, context: JobContext, files: JobFiles, listed: Iterator[Found], total: float) -> dict[str, Any]:
        """Index listed files. The result also has the keys of the client's metadata that matched a file."""
        metadata = files.metadata()
        result = self.index(context, self._sources(context, files, listed, metadata), total)
        return {**result, "metadata_used": sorted(metadata.used)}

    def _sources(
        self, context: JobContext, files: JobFiles, listed: Iterator[Found], metadata: UploadMetadata
    ) -> Iterator[Found]:
        """The listed files, zips and STAC items unpacked, with their metadata and labels."""
        read_policy = replace(files.read_policy, check=context.check)
        choice, beside = self.band_choice(str(context.job.collection)), files.beside()
        conditions = StacSelection(**context.job.inputs.get("selection", {})).conditions

        def expand(file: SourceFile) -> Iterator[Found]:
            return self.expand(file, files.folder, read_policy, choice, beside, conditions)

        yield from files.unpacked(listed, expand, metadata)

    def _delete_unreferenced_images(self, collection_id: str) -> None:
        """Delete images whose point was not written."""
        index = self._collections.live(collection_id).index
        delete_unreferenced_images(self._vectors, self._blobs, index, self._blobs.keys(images_prefix(collection_id)))


def _labelled(labels_from_folders: bool) -> dict[str, Any]:
    return {"labels_from_folders": True} if labels_from_folders else {}
