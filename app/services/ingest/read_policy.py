"""Which local and remote files the service may read for a client."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.errors import Forbidden, InvalidInput
from app.ports import RemoteFiles, go_on


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

    def fetch(self, url: str, target: Path, max_bytes: int, *, allow_query: bool = False) -> None:
        """Fetch a remote file, see `RemoteFiles.fetch`; raises `Forbidden` if no remote files are allowed."""
        self.web().fetch(url, target, max_bytes, allow_query=allow_query, check=self.check)

    def resolve(self, path: Path) -> Path:
        """Resolve a path, links followed.

        Raises:
            Forbidden: the path is outside the allowed folders. InvalidInput: it does not exist, or a link is broken.
        """
        try:
            real = path.expanduser().resolve()
            is_there = real.exists()
        except (OSError, RuntimeError, ValueError) as error:  # a loop of links, an unknown user after ~, a null byte
            raise InvalidInput(f"{path}: {error}") from None
        if not self.anywhere and not any(real.is_relative_to(root.resolve()) for root in self.folders):
            raise Forbidden(f"{path}: the server may not read this path; to allow it, add its folder to DYAD_READ_ROOTS")
        if not is_there:
            raise InvalidInput(f"{path}: no such file or folder")
        return real
