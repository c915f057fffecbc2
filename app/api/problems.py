"""HTTP status of every domain error, and responses as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from app import errors
from app.api.status_codes import status_of

log = logging.getLogger(__name__)

RETRY_SECONDS = 5
CLIENT_DISCONNECTED = 499
"""Status of a request whose client disconnected, as in nginx."""
MAX_FIELDS = 100
"""Invalid fields that an answer lists."""
OGC = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/"
TYPES: dict[type[errors.DyadError], str] = {
    errors.NoSuchProcess: f"{OGC}no-such-process",
    errors.NoSuchJob: f"{OGC}no-such-job",
    errors.ResultNotReady: f"{OGC}result-not-ready",
}
"""Problem types that OGC API Processes defines; all others are `about:blank`."""


def problem(
    status: int,
    detail: str,
    fields: list[dict[str, str]] | None = None,
    headers: dict[str, str] | None = None,
    kind: str = "about:blank",
) -> JSONResponse:
    """A response with a problem document."""
    body: dict[str, Any] = {"type": kind, "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    if fields is not None:
        body["errors"] = fields
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def field_errors(error: ValidationError, whole: str = "body") -> list[errors.FieldError]:
    """The invalid fields of a document that a route parses itself. whole: name of the document, for errors without a field."""
    return [errors.FieldError(".".join(map(str, item["loc"])) or whole, item["msg"]) for item in error.errors()]


def install(app: FastAPI) -> None:
    """Answer every error as a problem document."""
    app.add_exception_handler(errors.DyadError, _domain)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _disconnected)
    app.add_exception_handler(Exception, _bug)


async def _domain(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, errors.DyadError):
        raise error
    status = status_of(error)
    fields = None
    if isinstance(error, errors.Unprocessable):
        fields = [{"loc": item.loc, "message": item.message} for item in error.errors[:MAX_FIELDS]]
    headers = {"Retry-After": str(RETRY_SECONDS)} if status == 503 else None
    return problem(status, str(error), fields, headers, TYPES.get(type(error), "about:blank"))


async def _validation(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    fields = [
        {"loc": ".".join(str(part) for part in item["loc"]), "message": item["msg"].removeprefix("Value error, ")}
        for item in error.errors()[:MAX_FIELDS]
    ]
    is_body = any(item["loc"][:1] == ("body",) for item in error.errors())
    return problem(422 if is_body else 400, "; ".join(f"{field['loc']}: {field['message']}" for field in fields[:3]), fields)


async def _http(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    detail = str(error.detail)
    if error.status_code == 404 and detail == HTTPStatus.NOT_FOUND.phrase:
        detail = f"no resource at {request.url.path}; /docs lists all paths"
    if error.status_code == 405 and detail == HTTPStatus.METHOD_NOT_ALLOWED.phrase:
        detail = f"{request.method} is not allowed at {request.url.path}; /docs lists the methods"
    return problem(error.status_code, detail, headers=dict(error.headers or {}))


async def _disconnected(request: Request, error: Exception) -> Response:
    """The client closed the connection before its request was complete; only logs and metrics see this status."""
    log.debug("the client disconnected: %s %s", request.method, request.url.path)
    return Response(status_code=CLIENT_DISCONNECTED)


async def _bug(request: Request, error: Exception) -> JSONResponse:
    log.error("unhandled error: %s %s", request.method, request.url.path, exc_info=error)
    return problem(500, "internal error; see the log of the service for details")
