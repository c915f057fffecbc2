"""The page's session: a key that the browser keeps, out of the reach of scripts, until it is closed."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from app.api.deps import ContainerDep
from app.api.documents.schemas import In
from app.api.middleware.access import COOKIE
from app.domain.keys import ApiKey, Role
from app.errors import Unauthenticated

router = APIRouter(prefix="/session", tags=["service"])


class SessionCreate(In):
    """Body of `POST /session`."""

    key: str = Field(min_length=1, max_length=256)


class SessionPublic(BaseModel):
    """required: whether the service needs keys. name, role: of the key that this request came with; null without one."""

    required: bool
    name: str | None = None
    role: Role | None = None


def _public(required: bool, key: ApiKey | None) -> SessionPublic:
    return SessionPublic(required=required, name=None if key is None else key.name, role=None if key is None else key.role)


@router.get("", summary="Whether a key is needed")
async def read(request: Request, container: ContainerDep) -> SessionPublic:
    """Whether the service needs keys, and whose this request came with."""
    return _public(container.keys is not None, request.state.key)


@router.post("", summary="Begin a session")
async def create(body: SessionCreate, request: Request, response: Response, container: ContainerDep) -> SessionPublic:
    """Keep a key in a cookie of this browser session: 401 if it is not known. For the page; programs send the key itself."""
    if container.keys is None:
        return _public(False, None)
    key = container.keys.find(body.key.strip())
    if key is None:
        raise Unauthenticated("the key is not known; ask whoever runs the service for one")
    is_secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, body.key.strip(), httponly=True, samesite="strict", secure=is_secure)
    return _public(True, key)


@router.delete("", status_code=204, summary="End the session")
async def delete(response: Response) -> None:
    """Forget the key."""
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
