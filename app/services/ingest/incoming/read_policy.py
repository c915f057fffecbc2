"""Which local and remote files the service may read for a client."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.errors import Forbidden, InvalidInput
from app.ports import RemoteFile, RemoteFiles, go_on


@dataclass(frozen=True, slots=True)
class ReadPolicy:
    """Read policy. folders: local folders that may be read. anywhere: no restriction, for the user of the command line.

    remote: reads allowed files on other servers, None if none are allowed. check: see `RemoteFiles.fetch`.
    """

    folders: tuple[Path, ...] = ()
    anywhere: bool = False
    remote: RemoteFiles | None = None
    check: Callable[[], None] = go_on

    def web(self) -> RemoteFiles:
        """The reader of files on other servers.

        Raises:
            Forbidden: no remote files are allowed.
        """
        if self.remote is None:
            raise Forbidden("the server may not read from the web; to allow it, add URL prefixes to DYAD_READ_ROOTS")
        return self.remote

    def fetch(
        self, url: str, target: Path, max_bytes: int, *, allow_query: bool = False, body: bytes | None = None
    ) -> str | None:
        """Fetch a remote file, see `RemoteFiles.fetch`; raises `Forbidden` if no remote files are allowed."""
        return self.web().fetch(url, target, max_bytes, allow_query=allow_query, body=body, check=self.check)

    @contextmanager
    def open(self, url: str) -> Iterator[RemoteFile | None]:
        """Open a remote file to read parts of it, see `RemoteFiles.open`. Errors of reads are raised as they are."""
        file = self.web().open(url, check=self.check)
        try:
            yield file
        except Exception:
            if file is not None and file.error is not None:
                raise file.error from None
            raise
        finally:
            if file is not None:
                file.close()

    def resolve(self, path: Path) -> Path:
        """Resolve a path, links followed. Errors name the path as given: never where a link leads, or what exists outside.

        Raises:
            Forbidden: the path is outside the allowed folders. InvalidInput: it does not exist, or a link is broken.
        """
        real = _resolved(path.expanduser, path) if self.anywhere else self._allowed(path)
        try:
            is_there = real.exists()
        except OSError as error:
            raise InvalidInput(f"{path}: {error.strerror}") from None
        if not is_there:
            raise InvalidInput(f"{path}: no such file or folder")
        return real

    def _allowed(self, path: Path) -> Path:
        roots = [root.resolve() for root in self.folders]
        try:
            real = _resolved(lambda: path, path)
        except InvalidInput:
            if _is_under(os.path.normpath(path), [*roots, *self.folders]):
                raise
            raise _outside(path) from None
        if not _is_under(real, roots):
            raise _outside(path)
        return real


def _resolved(given: Callable[[], Path], path: Path) -> Path:
    try:
        return given().resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links, an unknown user after ~, a null byte
        raise InvalidInput(f"{path}: not a valid path, or a link that leads to itself") from None


def _is_under(path: str | Path, folders: Iterable[Path]) -> bool:
    return any(Path(path).is_relative_to(folder) for folder in folders)


def _outside(path: Path) -> Forbidden:
    return Forbidden(f"{path}: the server may not read this path; to allow it, add its folder to DYAD_READ_ROOTS")
