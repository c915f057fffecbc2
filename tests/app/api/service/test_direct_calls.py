from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Header, Path, Query, Request, Response
from fastapi.testclient import TestClient
from starlette.responses import JSONResponse

from app.api import direct_calls
from app.api.direct_calls import direct_handler
from app.api.routes import MODULES
from app.api.routing import checked_router
from app.errors import InvalidInput

PathId = Annotated[str, Path(description="Identifier")]


async def _double(factor: Annotated[int, Query(ge=1)] = 2) -> int:
    if factor == 13:
        raise InvalidInput("not 13")
    return factor * 2


async def _pair(doubled: Annotated[int, Depends(_double)], name: str | None = None) -> tuple[int, str | None]:
    return doubled, name


def _sync(
    request: Request,
    item: PathId,
    pair: Annotated[tuple[int, str | None], Depends(_pair)],
    doubled: Annotated[int, Depends(_double)],
    flag: bool = False,
    share: Annotated[float | None, Query(ge=0, le=1)] = None,
) -> Response:
    return JSONResponse([request.url.path, item, *pair, doubled, flag, share])


async def _coroutine(item: PathId, doubled: Annotated[int, Depends(_double)]) -> Response:
    return JSONResponse([item, doubled])


def _with_header(item: PathId, x_name: Annotated[str, Header()] = "none") -> Response:
    return JSONResponse([item, x_name])


def _with_list(item: PathId, names: Annotated[list[str] | None, Query()] = None) -> Response:
    return JSONResponse([item, names])


def _without_response(item: PathId) -> dict[str, str]:
    return {"item": item}


ROUTES: dict[str, Callable[..., Any]] = {
    "sync": _sync,
    "coroutine": _coroutine,
    "header": _with_header,
    "list": _with_list,
    "plain": _without_response,
}
QUERIES = ("", "factor=3", "factor=3&name=&flag=true&share=0.5", "factor=x", "factor=0&share=7", "factor=13", "name=a%20b")


def client() -> TestClient:
    app, router = FastAPI(), checked_router(tags=["test"])
    for name, route in ROUTES.items():
        router.add_api_route(f"/{name}/{{item}}", route)
    app.include_router(router)

    @app.exception_handler(InvalidInput)
    async def refuse(_: Request, error: InvalidInput) -> Response:
        return JSONResponse({"refused": str(error)}, 400)

    return TestClient(app)


@pytest.mark.parametrize("query", QUERIES)
def test_answers_are_those_of_fastapi(query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    direct = client()
    monkeypatch.setattr("app.api.routing.direct_handler", lambda _, general: general)
    general = client()
    for name in ROUTES:
        address = f"/{name}/a%20b?{query}"
        expected, found = general.get(address), direct.get(address)
        assert (found.status_code, found.json()) == (expected.status_code, expected.json()), name


def test_only_requests_that_are_not_valid_are_passed_to_fastapi(monkeypatch: pytest.MonkeyPatch) -> None:
    passed: list[str] = []

    def recording(dependant: Any, general: Callable[..., Any]) -> Callable[..., Any]:
        async def recorded(request: Request) -> Response:
            passed.append(request.url.query)
            answer: Response = await general(request)
            return answer

        return direct_handler(dependant, recorded)

    monkeypatch.setattr("app.api.routing.direct_handler", recording)
    tested = client()
    for query in ("", "factor=3&flag=1", "factor=x"):
        tested.get(f"/sync/a?{query}")
    assert passed == ["factor=x"]
    for name in ("header", "list", "plain"):
        tested.get(f"/{name}/a")
    assert len(passed) == 4, "those need FastAPI"


@pytest.mark.parametrize("below", ["search", "items", "items/{item_id}"])
def test_frequent_requests_are_called_directly(below: str) -> None:
    path = f"/collections/{{collection_id}}/{below}"
    routes = [route for module in MODULES for route in module.router.routes if getattr(route, "path", "") == path]
    reading: list[Any] = [route for route in routes if "GET" in getattr(route, "methods", ())]
    assert len(reading) == 1
    assert direct_calls._compiled(reading[0].dependant) is not None
