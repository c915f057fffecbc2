"""Answers with a picture: entity tags, cache headers and byte ranges."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fastapi import Request, Response

from app.api.answers.etags import is_not_modified

MAX_AGE = 300
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def picture(request: Request, data: bytes, media_type: str, tag: str, headers: Mapping[str, str] | None = None) -> Response:
    """The bytes, the range of them that the header `Range` names (206, 416), or 304 for a client that has this version."""
    shown = {**(headers or {}), "ETag": f'"{tag}"', "Cache-Control": f"private, max-age={MAX_AGE}", "Accept-Ranges": "bytes"}
    if is_not_modified(request, shown["ETag"]):
        return Response(status_code=304, headers=shown)
    asked = request.headers.get("range", "")
    is_same = request.headers.get("if-range", shown["ETag"]) == shown["ETag"]
    found = _RANGE.fullmatch(asked.replace(" ", "")) if is_same else None
    if found is None or found.group(0) == "bytes=-":  # several ranges, another unit, or none: the whole picture
        return Response(data, media_type=media_type, headers=shown)
    start, end = _limits(found[1], found[2], len(data))
    if start >= end:
        return Response(status_code=416, headers={**shown, "Content-Range": f"bytes */{len(data)}"})
    shown["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
    return Response(data[start:end], 206, media_type=media_type, headers=shown)


def _limits(first: str, last: str, size: int) -> tuple[int, int]:
    if not first:
        return max(size - int(last), 0), size
    return int(first), min(int(last) + 1, size) if last else size
