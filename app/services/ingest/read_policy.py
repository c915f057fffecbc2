"""What a client may name of the server's own files, and of the web."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.errors import Forbidden, InvalidInput
from app.ports import RemoteFiles, go_on


@dataclass(frozen=True, slots=True)
class ReadPolicy:
    """Folders that a client may name; None of them: nothing may be named. `anywhere` is for the command line's own user.

    remote: files on other servers that a client may name; None: no such file. check: see `RemoteFiles.fetch`.
    """

    folders: tuple[Path, ...] = ()
    anywhere: bool = False
    remote: RemoteFiles | None = None
    check: Callable[[], None] = go_on

    def web(self) -> RemoteFiles:
        """Files on other servers.

        Raises:
            Forbidden: none may be read.
        """
        if self.remote is None:
            raise Forbidden("the server may not read from the web; DYAD_READ_ROOTS names the addresses that it may read")
        return self.remote

    def fetch(self, url: str, target: Path, max_bytes: int, *, allow_query: bool = False) -> None:
        """A file of another server, see `RemoteFiles.fetch`; Forbidden where none may be read."""
        self.web().fetch(url, target, max_bytes, allow_query=allow_query, check=self.check)

    def resolve(self, path: Path) -> Path:
        """The real path, links followed.

        Raises:
            Forbidden: it lies outside. InvalidInput: there is no such file, or its links lead nowhere.
        """
        try:
            real = path.expanduser().resolve()
            is_there = real.exists()
        except (OSError, RuntimeError, ValueError) as error:  # links in a circle, a home of nobody, a null byte
            raise InvalidInput(f"{path}: {error}") from None
        if not self.anywhere and not any(real.is_relative_to(root.resolve()) for root in self.folders):
            raise Forbidden(f"{path}: the server may not read there; DYAD_READ_ROOTS names the folders that it may read")
        if not is_there:
            raise InvalidInput(f"{path}: no such file or folder")
        return real
