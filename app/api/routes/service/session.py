"""The session of the web page: the browser keeps the key in a cookie that scripts cannot read, until it is closed."""

from __future__ import annotations

from fastapi import Request, Response
from pydantic import BaseModel, Field

from app.api.access import public
from app.api.deps import ContainerDep
from app.api.documents.base import In
from app.api.middleware.access import COOKIE
from app.api.routing import checked_router
from app.domain.keys import ApiKey, Role
from app.errors import Unauthenticated

CONFORMANCE: tuple[str, ...] = ()

router = checked_router(prefix="/session", tags=["service"])


class SessionCreate(In):
    """Body of `POST /session`."""

    key: str = Field(min_length=1, max_length=256)


class SessionPublic(BaseModel):
    """Whether the service needs keys, and the name and role of the key of the request (null without a key)."""

    required: bool
    name: str | None = None
    role: Role | None = None


def _public(required: bool, key: ApiKey | None) -> SessionPublic:
    return SessionPublic(required=required, name=None if key is None else key.name, role=None if key is None else key.role)


@router.get("", summary="Whether a key is needed")
@public
async def read(request: Request, container: ContainerDep) -> SessionPublic:
    """Whether the service needs keys, and the name and role of the key of this request."""
    return _public(container.keys is not None, request.state.key)


@router.post("", summary="Start a session")
@public
async def create(body: SessionCreate, request: Request, response: Response, container: ContainerDep) -> SessionPublic:
    """Store a key in a session cookie: 401 if the key is not valid. For the web page; programs send the key itself."""
    if container.keys is None:
        return _public(False, None)
    key = container.keys.find(body.key.strip())
    if key is None:
        raise Unauthenticated("the key is not valid; ask the operator of the service for a key")
    is_secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, body.key.strip(), httponly=True, samesite="strict", secure=is_secure)
    return _public(True, key)


@router.delete("", status_code=204, summary="End the session")
@public
async def delete(response: Response) -> None:
    """Delete the session cookie."""
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
