"""Opening the store of `ObjectBlobs`, and converting its errors to those of Dyad."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, S3Store, from_url

from app.errors import DyadError, InvalidInput, NotFound, OutOfSpace, Unavailable

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config

SCHEMES = ("s3", "gs", "az")
# A request fails if nothing arrives for `read_timeout`; a slow answer may take longer.
_CLIENT: ClientConfig = {"allow_http": True, "connect_timeout": "5s", "read_timeout": "10s", "timeout": "10m"}
_RETRY: RetryConfig = {"max_retries": 3, "retry_timeout": timedelta(seconds=10)}
# EFBIG, ENOSPC, EDQUOT in messages of the library.
_DISK_FULL = re.compile(r"os error (27|28|122)\b")
_NO_BUCKET = re.compile(r"NoSuchBucket|specified bucket does not exist|ContainerNotFound")
_REFUSED = re.compile(r"status code: 40[13]\b|InvalidAccessKeyId|SignatureDoesNotMatch|credential", re.IGNORECASE)


def open_store(location: str | Path, endpoint: str = "") -> tuple[ObjectStore, Path | None]:
    """Open the store of a folder, which is created if missing, or of a URL; returns it with the folder (None for a URL).

    endpoint: of an S3 store, instead of that of the environment.

    Raises:
        InvalidInput: the scheme of the URL is not supported, or there are two endpoints.
        Unavailable: the folder cannot be created.
    """
    scheme, separator, path = str(location).partition("://")
    if isinstance(location, Path) or not separator or scheme == "file":
        folder = Path(path if separator else location).absolute()
        try:
            # Without `automatic_cleanup`, which deletes empty folders that another thread is about to write to.
            return LocalStore(folder, mkdir=True), folder
        except (BaseError, OSError) as error:
            raise Unavailable(f"blob store: the folder {folder} cannot be used: {_first_line(error)}") from None
    if scheme not in SCHEMES:
        known = ", ".join(f"{name}://" for name in SCHEMES)
        raise InvalidInput(f"blob store {location!r}: the scheme {scheme!r} is not supported; use a folder, file://, {known}")
    try:
        if endpoint and scheme == "s3":
            if os.environ.get("AWS_ENDPOINT_URL_S3"):  # it takes precedence over all other settings of the library
                raise InvalidInput(
                    "AWS_ENDPOINT_URL_S3 takes precedence over DYAD_BLOBS_PUBLIC_URL: use AWS_ENDPOINT_URL instead"
                )
            config: S3Config = {"endpoint": endpoint}
            return S3Store.from_url(str(location), config=config, client_options=_CLIENT, retry_config=_RETRY), None
        return from_url(str(location), client_options=_CLIENT, retry_config=_RETRY), None
    except (BaseError, ValueError) as error:
        raise InvalidInput(f"blob store {location!r}: {_first_line(error)}") from None


@contextmanager
def translated(name: str, key: str, folder: Path | None) -> Iterator[None]:
    """Convert errors of the library to those of Dyad.

    name: of the store, for error messages. folder: of a local store.

    Raises:
        NotFound: no blob has the key. OutOfSpace: the disk is full. Unavailable: the store is missing, refuses, or is down.
    """
    if folder is not None and not folder.is_dir():
        raise Unavailable(f"blob store: the folder {folder} is missing; mount or restore it")
    try:
        yield
    except FileNotFoundError as error:
        if _NO_BUCKET.search(str(error)):
            raise _no_bucket(name) from None
        raise NotFound(f"no blob has the key {key!r}") from None
    except (BaseError, OSError, ValueError) as error:
        raise _converted(error, name, key) from error


def _converted(error: Exception, name: str, key: str) -> DyadError:
    text = str(error)
    if _DISK_FULL.search(text):
        return OutOfSpace(f"storing {key!r}: the disk is full; make room and try again")
    if _NO_BUCKET.search(text):
        return _no_bucket(name)
    if _REFUSED.search(text):
        return Unavailable(
            f"blob store {name} refuses the credentials of this service: check access key, secret and permissions"
        )
    return Unavailable(f"blob store {name}, {key!r}: {_first_line(error)}")


def _no_bucket(name: str) -> Unavailable:
    return Unavailable(f"blob store {name}: no such bucket; create or restore it, or correct DYAD_BLOBS_URL")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
