"""JSON documents as pages for people: the same answer as a table, with its links and a map of its geometries."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, Template, select_autoescape

from app.api.documents.base import base_url

TEMPLATES = Path(__file__).with_name("templates")
MAX_CELL = 400
"""Characters of a value that a table shows."""
_LISTS = ("features", "collections", "jobs", "processes", "models")


def html_page(request: Request, document: Any) -> HTMLResponse:
    """A page with the content of a JSON answer."""
    base = base_url(request)
    body = document if isinstance(document, dict) else {"value": document}
    rows: list[Any] = next((body[name] for name in _LISTS if isinstance(body.get(name), list)), [])
    page = _template().render(
        base=base,
        title=str(body.get("title") or body.get("id") or request.url.path.strip("/").rpartition("/")[2] or "Dyad"),
        crumbs=_crumbs(base, request.url.path.removeprefix(request.scope.get("root_path", ""))),
        json_url=str(request.url.include_query_params(f="json")),
        fields=_fields({name: value for name, value in body.items() if value is not rows}),
        columns=list(dict.fromkeys(name for row in rows for name in _cells(row))),
        rows=[(_self(row), _cells(row)) for row in rows],
        links=[each for each in body.get("links") or () if isinstance(each, dict) and each.get("method", "GET") == "GET"],
        places=_places(body, rows),
    )
    return HTMLResponse(page, headers={"Vary": "Accept"})


@cache
def _template() -> Template:
    loader = FileSystemLoader(TEMPLATES)
    return Environment(loader=loader, autoescape=select_autoescape(), trim_blocks=True).get_template("document.html")


def _crumbs(base: str, path: str) -> list[tuple[str, str]]:
    """Names and addresses of the documents above this one."""
    parts = [part for part in path.split("/") if part]
    return [("Dyad", f"{base}/"), *((part, f"{base}/{'/'.join(parts[: at + 1])}") for at, part in enumerate(parts))]


def _fields(document: dict[str, Any]) -> dict[str, str]:
    inner = document.get("properties")
    flat = {**document, **(inner if isinstance(inner, dict) else {})}
    hidden = ("links", "geometry", "type", "assets", *(("properties",) if isinstance(inner, dict) else ()))
    return {name: _text(value) for name, value in flat.items() if name not in hidden and value not in (None, "", [], {})}


def _cells(row: Any) -> dict[str, str]:
    return _fields(row) if isinstance(row, dict) else {"value": _text(row)}


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_CELL else f"{text[:MAX_CELL]}..."


def _self(row: Any) -> str | None:
    links = row.get("links") if isinstance(row, dict) else None
    return next((str(each["href"]) for each in links or () if each.get("rel") == "self"), None)


def _places(body: dict[str, Any], rows: list[Any]) -> str | None:
    """GeoJSON of all geometries and extents as text that can stand in a `script` element; None without any."""
    features = [
        {"type": "Feature", "geometry": geometry, "properties": {"name": str(each.get("id")), "href": _self(each)}}
        for each in (body, *rows)
        if isinstance(each, dict) and (geometry := each.get("geometry") or _extent(each)) is not None
    ]
    return json.dumps(features).replace("<", "\\u003c") if features else None


def _extent(document: dict[str, Any]) -> dict[str, Any] | None:
    extent = document.get("extent")
    spatial = extent.get("spatial") if isinstance(extent, dict) else None
    if not spatial:
        return None
    west, south, east, north = spatial["bbox"][0][:4]
    east += 360 if east < west else 0
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}
