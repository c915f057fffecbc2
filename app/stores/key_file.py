"""The file of API keys, one a line: `name role sha256:digest`. Empty lines and lines that start with `#` are ignored."""

from __future__ import annotations

import fcntl
import hmac
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.atomic_files import telling_full_disk
from app.domain.keys import ApiKey, Role, check_key_name, digest_of, new_key_text
from app.errors import ConfigError, Conflict, DyadError, NotFound

log = logging.getLogger(__name__)

RELOAD_SECONDS = 1.0
_ALGORITHM = "sha256:"


class KeyFile:
    """The keys of a file. Changes of the file take effect within a second, without a restart.

    If the file becomes unreadable, the previous keys stay valid, and an error is logged.

    Raises:
        ConfigError: the file cannot be read, or a line of it is not valid.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen = _stamp(path)
        self._keys = read_keys(path)
        self._checked = time.monotonic()

    def find(self, text: str) -> ApiKey | None:
        """The key with this text, or None. Every key is compared, each in constant time."""
        digest, found = digest_of(text), None
        for key in self._current():
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found

    def named(self, name: str) -> ApiKey | None:
        """The key with this name, or None."""
        return next((key for key in self._current() if key.name == name), None)

    def _current(self) -> tuple[ApiKey, ...]:
        with self._lock:
            now = time.monotonic()
            if now - self._checked >= RELOAD_SECONDS:
                self._checked = now
                self._reload()
            return self._keys

    def _reload(self) -> None:
        stamp = _stamp(self._path)
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self._keys = read_keys(self._path)
        except ConfigError as error:
            log.error("the keys were not reloaded, the previous ones stay valid: %s", error)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def read_keys(path: Path) -> tuple[ApiKey, ...]:
    """The keys of a file.

    Raises:
        ConfigError: it cannot be read, or a line is not valid.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"{path}: the keys cannot be read: {reason}; create the file with `dyad keys create`") from None
    keys: dict[str, ApiKey] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key = _parse(line, f"{path}, line {number}")
        if key.name in keys:
            raise ConfigError(f"{path}, line {number}: the name {key.name!r} is used twice; rename or remove one of the keys")
        keys[key.name] = key
    return tuple(keys.values())


def _parse(line: str, where: str) -> ApiKey:
    try:
        name, role, digest = line.split()
        key = ApiKey(check_key_name(name), Role(role), bytes.fromhex(digest.removeprefix(_ALGORITHM)))
        if digest.startswith(_ALGORITHM) and len(key.digest) == 32:
            return key
    except (ValueError, DyadError):
        pass
    roles = ", ".join(Role)
    raise ConfigError(
        f"{where} is not a key; the format is `name role sha256:64-hex-digits`, and roles are {roles}. Use `dyad keys create`"
    )


def add_key(path: Path, name: str, role: Role) -> str:
    """Create a key, append it to the file and return its text. A missing file is created, readable by its owner only.

    Raises:
        InvalidInput: the name is not valid. Conflict: a key of that name exists. ConfigError: a line of the file is not valid.
        OutOfSpace: the disk is full. OSError: the file cannot be written.
    """
    check_key_name(name)
    text = new_key_text()
    with _writing(path):
        if any(key.name == name for key in read_keys(path)):
            raise Conflict(f"{path} already has a key {name!r}; revoke it first, or choose another name")
        line = f"{name} {role} {_ALGORITHM}{digest_of(text).hex()}\n"
        content = path.read_text(encoding="utf-8")
        _write(path, content + ("" if content.endswith("\n") or not content else "\n") + line)
    return text


def remove_key(path: Path, name: str) -> None:
    """Remove a key from the file; its other lines stay unchanged.

    Raises:
        NotFound: no key has that name. ConfigError, OutOfSpace, OSError: as `add_key`.
    """
    with _writing(path):
        if all(key.name != name for key in read_keys(path)):
            raise NotFound(f"{path} has no key {name!r}")
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        _write(path, "".join(line for line in lines if line.split()[:1] != [name]))


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Create the file if it is missing, and lock it against other writers."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, content: str) -> None:
    """Write in place, because a file that is mounted into a container cannot be replaced. A reader of a partial file keeps its
    previous keys.
    """
    with telling_full_disk(path.parent), path.open("r+", encoding="utf-8") as file:
        file.write(content)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
