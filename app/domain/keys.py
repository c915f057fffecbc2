"""API keys and their roles. A key is 256 random bits, so it is enough to store its SHA-256."""

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
    """Roles of keys. Each includes the ones before it.

    READ: read and search. WRITE: change collections, tiles, labels and schedules, and submit jobs. ADMIN: delete collections,
    and import, activate and delete models.
    """

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def allows(self, needed: Role) -> bool:
        """Whether this role includes the role `needed`."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key. digest: 32 bytes, the SHA-256 of its text, which is not stored."""

    name: str
    role: Role
    digest: bytes


def new_key_text() -> str:
    """Generate the text of a new key, which its owner sends."""
    return PREFIX + secrets.token_urlsafe(32)


def digest_of(text: str) -> bytes:
    """The stored SHA-256 of a key's text, 32 bytes."""
    return hashlib.sha256(text.encode()).digest()


def check_key_name(name: str) -> str:
    """Return `name` if it is a valid key name.

    Raises:
        InvalidInput: it does not consist of 1 to 64 letters, digits, `.`, `_`, `-`, with a letter or digit first.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInput(f"key name {name!r}: use 1 to 64 of the characters A-Z a-z 0-9 . _ -, a letter or digit first")
    return name
