"""The identity of an installation: which state folder, blob store and indexes belong together.

The id is in `installation.json` in the blob store, beside the catalogue; in `identity` in DYAD_HOME (not in a cluster, where
homes are temporary); and in the mark of each index. A start with parts that do not belong together is refused, so that a
missing disk or another installation's indexes are never taken for garbage.
"""

from __future__ import annotations

import logging
import uuid
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.atomic_files import replace_file
from app.errors import NotFound, StartupError
from app.ports import Blobs, Locks, VectorStore
from app.services.catalogue.collection_store import DOCUMENTS
from app.services.catalogue.indexes import RECORDS

log = logging.getLogger(__name__)

MARKER = "installation.json"
LOCK = "installation"
WAIT = 10.0
"""Seconds to wait for another process that does the same."""
TAKE_OVER = "`dyad doctor --take-over`"
_UUID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


class Identity(BaseModel):
    """The content of both files. place: host and path of the state folder that wrote it, for error messages."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(pattern=_UUID)
    created: datetime
    place: str = ""


class Installation:
    """Establishes the identity of the stores that are open.

    file: of the state folder, None in a cluster. place: host and path of that folder. is_inside: whether the blob store is a
    folder in the state folder.
    """

    def __init__(
        self, *, blobs: Blobs, vectors: VectorStore, locks: Locks, file: Path | None, place: str, is_inside: bool
    ) -> None:
        self._blobs = blobs
        self._vectors = vectors
        self._locks = locks
        self._file = file
        self._place = place
        self._is_inside = is_inside
        self._established: Identity | None = None

    def ensure(self) -> Identity:
        """Check that the parts belong together; mark new ones, and those that a version without identities wrote.

        Raises:
            StartupError: they do not; the message says what was expected and what to do. Unavailable: a store does not answer.
        """
        if self._established is None:
            with self._locks.hold(LOCK, WAIT):
                identity = self._identity()
                self._claim(identity)
                self._established = identity
        return self._established

    def take_over(self) -> Identity:
        """Make the blob store this state folder's own, after the folder was moved or lost, or a mark was lost.

        Raises:
            StartupError: indexes carry another id than the blob store. Unavailable: a store does not answer.
        """
        with self._locks.hold(LOCK):
            marker, _ = self._marker()
            home, _ = self._home()
            identity = marker or home or self._of_indexes() or self._new()
            self._refuse_foreign(identity, self._vectors.owners())
            identity = identity.model_copy(update={"place": self._place})
            self._write_marker(identity)
            self._write_home(identity)
            self._claim(identity)
            self._established = identity
        return identity

    def _identity(self) -> Identity:
        marker, has_marker = self._marker()
        home, has_home = self._home()
        if home is not None and marker is not None:
            if home.id != marker.id:
                raise StartupError(f"{self._expected(home)}, but it {_belongs(marker)}; {self._remedy()}")
            return home
        if home is not None:
            if not has_marker:
                raise StartupError(f"{self._expected(home)}, but {MARKER} is missing there; {self._remedy()}")
            log.error("%s in the blob store is damaged; it is written again", MARKER)
            self._write_marker(home)
            return home
        if marker is not None:
            return self._adopted(marker, is_damaged=has_home)
        if has_home or has_marker:
            known = self._of_indexes()
            if known is None or self._is_empty():
                raise StartupError(
                    f"{self._file or MARKER} is damaged, and so is or without {MARKER} in the blob store; restore one of them, "
                    f"or, if the blob store is the right one, run {TAKE_OVER}"
                )
            self._write_marker(known)
            self._write_home(known)
            return known
        return self._first()

    def _adopted(self, marker: Identity, *, is_damaged: bool) -> Identity:
        """The identity of the blob store, for a state folder without one."""
        if self._file is not None:
            if not self._is_inside and marker.place != self._place:
                raise StartupError(
                    f"the blob store (DYAD_BLOBS_URL) {_belongs(marker)}, not to {self._place}; set another DYAD_BLOBS_URL, "
                    f"or, if that folder was moved or lost, run {TAKE_OVER}"
                )
            if is_damaged:
                log.error("%s is damaged; it is written again", self._file)
            self._write_home(marker)
        return marker

    def _first(self) -> Identity:
        """The identity of a new installation, or of one that a version without identities wrote."""
        owners = self._vectors.owners()
        marked = sorted(index for index, owner in owners.items() if owner)
        if marked:
            raise StartupError(
                f"index {marked[0]!r} in the vector store belongs to another installation of Dyad, or the blob store is not "
                "the right one: set another DYAD_QDRANT_PREFIX, or mount the blob store or correct DYAD_BLOBS_URL"
            )
        if owners and (self._is_empty() or not (self._is_inside or self._is_named(owners))):
            raise StartupError(
                f"the vector store holds {len(owners)} indexes ({min(owners)}, ...), but the blob store has no catalogue of "
                "them: mount the blob store or correct DYAD_BLOBS_URL; if the indexes belong to another installation, set "
                "another DYAD_QDRANT_PREFIX"
            )
        if not owners and self._file is not None and not self._is_inside and not self._is_empty():
            raise StartupError(
                "the blob store (DYAD_BLOBS_URL) holds collections, but the vector store has no index of them: set another "
                f"DYAD_BLOBS_URL, or, if {self._place} lost its indexes, run {TAKE_OVER}"
            )
        identity = self._new()
        self._write_marker(identity)
        found, _ = self._marker()  # of another process that was faster
        identity = found or identity
        self._write_home(identity)
        return identity

    def _claim(self, identity: Identity) -> None:
        owners = self._vectors.owners()
        self._refuse_foreign(identity, owners)
        collections = _names(self._blobs, DOCUMENTS)
        records = _names(self._blobs, RECORDS)
        unmarked = [index for index, owner in owners.items() if not owner]
        own = [index for index in unmarked if index.split(".", 1)[0] in collections or index.replace(".", "/", 1) in records]
        self._vectors.claim(identity.id, own)
        for index in sorted(set(unmarked) - set(own)):
            log.warning("index %s carries no mark and has no collection; it is left as it is", index)

    def _refuse_foreign(self, identity: Identity, owners: dict[str, str]) -> None:
        foreign = sorted(index for index, owner in owners.items() if owner not in ("", identity.id))
        if foreign:
            raise StartupError(
                f"index {foreign[0]!r} in the vector store belongs to another installation of Dyad: two installations cannot "
                "use one prefix; set another DYAD_QDRANT_PREFIX"
            )

    def _is_empty(self) -> bool:
        return all(next(iter(self._blobs.keys(prefix)), None) is None for prefix in (DOCUMENTS, RECORDS))

    def _is_named(self, owners: dict[str, str]) -> bool:
        """Whether the catalogue names one of these indexes."""
        collections = _names(self._blobs, DOCUMENTS) | {name.split("/")[0] for name in _names(self._blobs, RECORDS)}
        return any(index.split(".", 1)[0] in collections for index in owners)

    def _of_indexes(self) -> Identity | None:
        """The identity that the indexes carry; None without one, or with several."""
        ids = {owner for owner in self._vectors.owners().values() if owner}
        return Identity(id=ids.pop(), created=datetime.now(UTC), place=self._place) if len(ids) == 1 else None

    def _new(self) -> Identity:
        return Identity(id=str(uuid.uuid4()), created=datetime.now(UTC), place=self._place)

    def _marker(self) -> tuple[Identity | None, bool]:
        """The marker of the blob store, and whether there is one; None if it is damaged."""
        try:
            return _parsed(self._blobs.get(MARKER)), True
        except NotFound:
            return None, False

    def _home(self) -> tuple[Identity | None, bool]:
        if self._file is None or not self._file.exists():
            return None, False
        return _parsed(self._file.read_bytes()), True

    def _write_marker(self, identity: Identity) -> None:
        self._blobs.put(MARKER, identity.model_dump_json().encode())

    def _write_home(self, identity: Identity) -> None:
        if self._file is not None:
            replace_file(self._file, identity.model_dump_json().encode())

    def _expected(self, home: Identity) -> str:
        return f"{self._place} belongs to the blob store of installation {home.id} (created {home.created:%Y-%m-%d})"

    def _remedy(self) -> str:
        where = "mount the disk of its blobs" if self._is_inside else "mount that store or correct DYAD_BLOBS_URL"
        return f"{where}, or start with a new DYAD_HOME; if only the mark was lost, run {TAKE_OVER}"


def _parsed(data: bytes) -> Identity | None:
    try:
        return Identity.model_validate_json(data)
    except ValidationError:
        return None


def _belongs(marker: Identity) -> str:
    return f"belongs to installation {marker.id}{f' at {marker.place}' if marker.place else ''}"


def _names(blobs: Blobs, prefix: str) -> set[str]:
    return {key.removeprefix(prefix).removesuffix(".json") for key in blobs.keys(prefix)}
