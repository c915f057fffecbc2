"""Keys of the service and what they allow. A key is 256 random bits, so one SHA-256 of it is all that need be kept."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum

from app.errors import InvalidInput

PREFIX = "dyad_"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Role(StrEnum):
    """Each allows what stands before it, too.

    READ: look and search. WRITE: change collections, tiles, labels and schedules, begin jobs. ADMIN: delete collections,
    bring, choose and delete models.
    """

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def allows(self, needed: Role) -> bool:
        """Whether this role may do what needs `needed`."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key. digest: 32 bytes, the SHA-256 of its text, which is not kept."""

    name: str
    role: Role
    digest: bytes


def new_key_text() -> str:
    """A new key: what its owner sends."""
    return PREFIX + secrets.token_urlsafe(32)


def digest_of(text: str) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(text.encode()).digest()


def check_key_name(name: str) -> str:
    """Return `name` if it may name a key.

    Raises:
        InvalidInput: it has other characters than letters, digits, `.`, `_`, `-`, or not 1 to 64 of them.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInput(f"key name {name!r}: use 1 to 64 of the characters A-Z a-z 0-9 . _ -, a letter or digit first")
    return name
