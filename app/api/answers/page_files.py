"""The files of the web page: addresses with the version of the files are cached for a year, others are checked at each use."""

from __future__ import annotations

import hashlib
import html
import re
from pathlib import Path

from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from app.api.answers.etags import is_not_modified

WEB = Path(__file__).parents[2] / "web"
_VERSIONED = re.compile(r"v-[0-9a-f]{16}/")
IMMUTABLE = "public, max-age=31536000, immutable"


class PageFiles(StaticFiles):
    """Serves `app/web`. `v-HASH/js/main.js` is the same file as `js/main.js`."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, with `Cache-Control`."""
        found = _VERSIONED.match(path)
        response = await super().get_response(path[found.end() :] if found else path, scope)
        response.headers["Cache-Control"] = IMMUTABLE if found and response.status_code < 400 else "no-cache"
        return response


def files_version() -> str:
    """A name for the present content of `app/web`, by the sizes and times of its files."""
    digest = hashlib.sha256()
    for path in sorted(WEB.rglob("*")):
        if path.is_file():
            stat = path.stat()
            digest.update(f"{path.relative_to(WEB)}|{stat.st_size}|{stat.st_mtime_ns}\n".encode())
    return f"v-{digest.hexdigest()[:16]}"


def page(request: Request, name: str) -> Response:
    """An HTML page of `app/web` with the settings of the map; its files have addresses with the version. 304 for a client that
    has the page."""
    version, settings = files_version(), request.app.state.container.settings
    text = (WEB / name).read_text().replace('"static/', f'"static/{version}/')
    for field, value in (("BASEMAP_URL", settings.basemap_url), ("BASEMAP_ATTRIBUTION", settings.basemap_attribution)):
        text = text.replace(field, html.escape(value))
    headers = {"Vary": "Accept", "Cache-Control": "no-cache", "ETag": f'"{hashlib.sha256(text.encode()).hexdigest()[:16]}"'}
    if is_not_modified(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return HTMLResponse(text, headers=headers)
