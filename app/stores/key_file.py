"""The file of keys: a line each, `name role sha256:digest`. Empty lines and those that begin with `#` say nothing."""

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
    """The keys of a file. What changes in it holds within a second, without a restart.

    A file that has become unreadable changes nothing: the keys stay as they were, and the log says so.

    Raises:
        ConfigError: the file cannot be read, or a line of it cannot be understood.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen = _stamp(path)
        self._keys = read_keys(path)
        self._looked = time.monotonic()

    def find(self, text: str) -> ApiKey | None:
        """The key of this text. Every key is compared, each in constant time."""
        digest, found = digest_of(text), None
        for key in self._current():
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found

    def named(self, name: str) -> ApiKey | None:
        """The key of this name."""
        return next((key for key in self._current() if key.name == name), None)

    def _current(self) -> tuple[ApiKey, ...]:
        with self._lock:
            now = time.monotonic()
            if now - self._looked >= RELOAD_SECONDS:
                self._looked = now
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
            log.error("the keys stay as they were: %s", error)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def read_keys(path: Path) -> tuple[ApiKey, ...]:
    """The keys of a file.

    Raises:
        ConfigError: it cannot be read, or a line cannot be understood.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(f"{path}: the keys cannot be read: {reason}; `dyad keys create` makes the file") from None
    keys: dict[str, ApiKey] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key = _parse(line, f"{path}, line {number}")
        if key.name in keys:
            raise ConfigError(f"{path}, line {number}: a second key is named {key.name!r}")
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
    raise ConfigError(f"{where}: write `name role sha256:64-hex-digits`, as `dyad keys create` does; a role is one of {roles}")


def add_key(path: Path, name: str, role: Role) -> str:
    """Make a key and append it to the file, which is made, readable by its owner only, if there is none; the key's text.

    Raises:
        InvalidInput: the name. Conflict: there is a key of that name. ConfigError: a line of the file is wrong.
        OutOfSpace: the disk is full. OSError: the file cannot be written.
    """
    check_key_name(name)
    text = new_key_text()
    with _writing(path):
        if any(key.name == name for key in read_keys(path)):
            raise Conflict(f"{path} has a key {name!r} already; revoke it first, or choose another name")
        line = f"{name} {role} {_ALGORITHM}{digest_of(text).hex()}\n"
        content = path.read_text(encoding="utf-8")
        _write(path, content + ("" if content.endswith("\n") or not content else "\n") + line)
    return text


def remove_key(path: Path, name: str) -> None:
    """Take a key out of the file; the rest of the file stays as it is.

    Raises:
        NotFound: there is no key of that name. ConfigError, OutOfSpace, OSError: as `add_key`.
    """
    with _writing(path):
        if all(key.name != name for key in read_keys(path)):
            raise NotFound(f"{path} has no key {name!r}")
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        _write(path, "".join(line for line in lines if line.split()[:1] != [name]))


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Make the file if there is none, and keep others from writing to it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, content: str) -> None:
    """In place: the file may be mounted into a container by itself, where it cannot be replaced; a reader that meets a part of
    it keeps the keys that it has.
    """
    with telling_full_disk(path.parent), path.open("r+", encoding="utf-8") as file:
        file.write(content)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
