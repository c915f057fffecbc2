"""Entity tags (RFC 9110): values of `If-Match` and `If-None-Match`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.requests import Request

from app.errors import InvalidInput

_TAG = re.compile(r'[ \t,]*(W/)?("[\x21\x23-\x7e\x80-\xff]*")[ \t]*(?=,|$)')


@dataclass(frozen=True, slots=True)
class EntityTags:
    """The tags of a header, with their quotation marks. is_any: the header is `*`."""

    strong: frozenset[str] = frozenset()
    weak: frozenset[str] = frozenset()
    is_any: bool = False

    def match_weakly(self, tag: str) -> bool:
        """The comparison of `If-None-Match`, which ignores the prefix `W/`."""
        return self.is_any or tag in self.strong or tag in self.weak


def if_match(request: Request) -> EntityTags | None:
    """The header `If-Match`; None if it was not sent.

    Raises:
        InvalidInput: it is not a list of entity tags.
    """
    return _parse(request, "If-Match")


def is_not_modified(request: Request, tag: str) -> bool:
    """Whether the client has the representation with this tag already, by `If-None-Match`. A malformed header is ignored."""
    try:
        tags = _parse(request, "If-None-Match")
    except InvalidInput:
        return False
    return tags is not None and tags.match_weakly(tag)


def _parse(request: Request, name: str) -> EntityTags | None:
    lines = request.headers.getlist(name)
    if not lines:
        return None
    text = ",".join(lines).strip(" \t,")
    if text == "*":
        return EntityTags(is_any=True)
    tags: dict[bool, set[str]] = {True: set(), False: set()}
    at = 0
    while at < len(text):
        found = _TAG.match(text, at)
        if found is None:
            raise InvalidInput(f"{name} {text[:100]!r} is not valid: send the ETag of the item with its quotation marks, or *")
        tags[found[1] is not None].add(found[2])
        at = found.end()
    if not text:
        raise InvalidInput(f"{name} is empty: send the ETag of the item with its quotation marks, or *")
    return EntityTags(frozenset(tags[False]), frozenset(tags[True]))
